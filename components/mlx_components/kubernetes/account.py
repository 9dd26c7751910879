"""A service account with what it may do, and what gives its pods access to the storage."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place

RBAC = "rbac.authorization.k8s.io"


def account(place: Place, name: str, labels: Mapping[str, str], rules: Sequence[Mapping[str, Any]] = (), *, mounts: bool = False) -> list[Manifest]:
    """``mounts``: whether a pod that does not say so itself gets a token of the API server."""
    named = {"name": name, "namespace": place.namespace, "labels": dict(labels)}
    identity = {**place.reach.identity, **place.target.identity}
    annotated = {"annotations": dict(sorted(identity.items()))} if identity else {}
    made: list[Manifest] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**named, **annotated}, "automountServiceAccountToken": mounts}]
    if rules:
        subject = {"kind": "ServiceAccount", "name": name, "namespace": place.namespace}
        role = {"apiGroup": RBAC, "kind": "Role", "name": name}
        made.append({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": named, "rules": [dict(rule) for rule in rules]})
        made.append({"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": named, "roleRef": role, "subjects": [subject]})
    return made
