"""Deleting an object and waiting until it is gone; only the one that we made, by its uid."""

import threading
from collections.abc import Mapping
from typing import Any

from mlx_kubernetes.apply import Cluster, live
from mlx_kubernetes.errors import KubernetesError, NotYet
from mlx_kubernetes.objects import Object, called
from mlx_kubernetes.waiting import Report, until_gone

PROPAGATION = "pulumi.com/deletionPropagationPolicy"
POLICIES = {"foreground": "Foreground", "background": "Background", "orphan": "Orphan"}


def delete(cluster: Cluster, tidy: Object, recorded: Mapping[str, Any], given: float, report: Report, cancelled: threading.Event) -> None:
    """What is gone already, with its kind or its namespace, is fine; so is another object of the same name, which stays."""
    try:
        there = live(cluster, tidy)
    except NotYet:
        return
    uid = str((recorded.get("metadata") or {}).get("uid") or "")
    if there is None or (uid and there["metadata"]["uid"] != uid):
        return
    now = str(there["metadata"]["uid"])
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": _policy(tidy), "preconditions": {"uid": now}}
    answer = cluster.client.request("DELETE", cluster.path(tidy), body)
    if answer.code not in (200, 202, 404, 409):
        raise KubernetesError(f"{called(tidy)} cannot be deleted: {answer.message or answer.code}")
    until_gone(cluster, tidy, now, given, report, cancelled)


def _policy(tidy: Mapping[str, Any]) -> str:
    asked = str(((tidy.get("metadata") or {}).get("annotations") or {}).get(PROPAGATION) or "foreground")
    if asked.lower() not in POLICIES:
        raise KubernetesError(f"{called(tidy)}: {PROPAGATION} is {asked!r}", hint=f"one of {', '.join(POLICIES)}")
    return POLICIES[asked.lower()]
