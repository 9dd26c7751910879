"""Objects as resources: ``kubernetes:GROUP/VERSION:KIND``, the types of `pulumi-kubernetes`, whichever provider serves them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

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
    """Each object as a child of ``parent``, whose name it carries. What mounts or names another one of them waits for it, and goes before it."""
    made: dict[str, KubernetesObject] = {}
    for manifest in manifests:
        needed = [made[name] for name in _named_in(manifest) if name in made]
        options = parent.child(provider=provider, depends_on=[*after, *needed], protect=protect)
        made[_id(manifest)] = KubernetesObject(f"{parent.name}/{manifest['metadata']['name']}", manifest, options)
    return tuple(made.values())


def _id(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


NAMED: Mapping[str, str] = {
    "claimName": "PersistentVolumeClaim", "configMap": "ConfigMap", "runtime": "ServingRuntime", "serviceAccountName": "ServiceAccount",
    "serviceAccount": "ServiceAccount", "pipelineName": "Pipeline", "roleRef": "Role", "clusterQueue": "ClusterQueue",
}  # fmt: skip
"""Fields that name another object, and its kind."""


def _named_in(value: Any) -> Iterator[str]:
    """The other objects that one names, wherever in it."""
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            name = item.get("name") if isinstance(item, Mapping) and key in ("configMap", "roleRef") else item
            if key in NAMED and isinstance(name, str):
                yield f"{NAMED[key]}/{name}"
            yield from _named_in(item)
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[Any]", value):
            yield from _named_in(item)
