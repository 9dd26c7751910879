"""What every provider leaves behind: how to reach the cluster, and what its workloads need to reach their storage."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from mlx_components.clusters.versions import EXEC_CREDENTIAL


@dataclass(frozen=True)
class CloudCluster:
    """A cluster, as an environment and add-ons see it."""

    kubeconfig: pulumi.Output[str]
    """JSON, that asks the cloud's own program for credentials: there is neither a token nor a private key in it."""
    context: str
    """The context of ``kubeconfig``."""
    ready: Sequence[pulumi.Resource]
    """What objects in the cluster wait for: the API server and its nodes."""
    identity: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Annotations of the service accounts of ``storage.serviceAccounts``."""
    pod_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels of the pods that run under them."""
    variables: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Environment variables of those pods."""
    autoscaler: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Annotations of kube-system/cluster-autoscaler, where it is ours to install; empty where the cloud runs its own."""
    version: pulumi.Output[str] | None = None
    """Of the control plane, such as 1.33, for an autoscaler that is ours."""


def kubeconfig(name: str, server: str, authority: str, command: str, arguments: Sequence[str] = ()) -> str:
    """A kubeconfig of one context; ``authority`` is the API server's certificate authority in base64, which is public."""
    login: dict[str, Any] = {
        "apiVersion": EXEC_CREDENTIAL,
        "command": command,
        "args": [*arguments],
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": True,
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"exec": login}}],
        },
        sort_keys=True,
    )
