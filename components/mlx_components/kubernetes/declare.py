"""Objects as resources: ``kubernetes:GROUP/VERSION:KIND``, the types of `pulumi-kubernetes`, whichever provider serves them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from mlx_components.kubernetes.place import Manifest
from mlx_components.resource import MlxComponent

PACKAGE = "kubernetes"


class KubernetesObject(pulumi.CustomResource):
    """One object; what the server adds to it is in the state only."""

    def __init__(self, name: str, manifest: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(token(manifest), name, dict(manifest), opts)


class ClusterProvider(pulumi.ProviderResource):
    """The connection that all objects of a stack use."""

    def __init__(self, kubeconfig: pulumi.Input[str], context: pulumi.Input[str], namespace: str = "") -> None:
        given = {"kubeconfig": kubeconfig, "context": context, "namespace": namespace}
        super().__init__(PACKAGE, "cluster", {key: value for key, value in given.items() if value != ""})


def token(manifest: Mapping[str, Any]) -> str:
    """``kubernetes:apps/v1:Deployment``; the group without a name is called core."""
    version = str(manifest["apiVersion"])
    return f"{PACKAGE}:{version if '/' in version else f'core/{version}'}:{manifest['kind']}"


def declare_objects(
    manifests: Sequence[Manifest], parent: MlxComponent, provider: ClusterProvider, *, after: Sequence[pulumi.Resource] = (), protect: bool = False
) -> tuple[KubernetesObject, ...]:
    """Each object as a child of ``parent``, whose name it carries; they do not wait for each other."""
    options = parent.child(provider=provider, depends_on=list(after), protect=protect)
    return tuple(KubernetesObject(f"{parent.name}/{manifest['metadata']['name']}", manifest, options) for manifest in manifests)
