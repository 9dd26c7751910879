"""Whether a cluster's add-ons are there: their definitions, their workloads, their versions. Reads only.

Enters: a client and the add-ons that a Cluster asks for. Leaves: what was found of each, in the order of installation; the
lines for the user are made of that. One discovery, one list a namespace, one definition where a version stands there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never, cast

from mlx_components.clusters.releases import Annotation, Definition, ImageTag, Label, Release, Workload, releases
from mlx_kubernetes.client import Answer, Client
from mlx_kubernetes.discovery import AGGREGATED
from mlx_kubernetes.errors import KubernetesError
from mlx_kubernetes.readiness import readiness
from mlx_specs.cluster import AddOn
from mlx_stacks.add_on_namespaces import unseen
from mlx_stacks.add_on_stores import in_files
from mlx_stacks.trouble import some

Wanted: TypeAlias = Literal["verify", "install"]
Live: TypeAlias = Mapping[str, Any]
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""A definition itself may have a megabyte."""
PLURALS = {"Deployment": "deployments", "DaemonSet": "daemonsets"}


@dataclass(frozen=True)
class NotReady:
    """A workload, and why it does not count."""

    workload: Workload
    reason: str


@dataclass(frozen=True)
class FoundAddOn:
    """What a cluster has of one add-on."""

    release: Release
    wanted: Wanted
    version: str = ""
    """The one that runs; empty: it does not tell."""
    missing: tuple[Definition, ...] = ()
    not_ready: tuple[NotReady, ...] = ()
    amiss: tuple[str, ...] = ()
    """What it keeps in files of its pod, and which namespaces it does not see, in sentences."""

    @property
    def name(self) -> AddOn:
        return self.release.name

    @property
    def is_there(self) -> bool:
        return not self.missing and not self.not_ready


def verify(client: Client, asked: Mapping[AddOn, Wanted]) -> tuple[FoundAddOn, ...]:
    """Looks at each add-on. Raises ``KubernetesError``: the cluster cannot be reached, or may not be read."""
    if not asked:
        return ()
    rows = [release for name, release in releases().items() if name in asked]
    served = _served(client)
    lists = sorted({(workload.namespace, workload.kind) for release in rows for workload in release.workloads})
    workloads = {key: item for namespace, kind in lists for key, item in _listed(client, namespace, kind)}
    return tuple(_found(client, release, asked[release.name], served, workloads) for release in rows)


def problems(cluster: str, found: Sequence[FoundAddOn]) -> tuple[str, ...]:
    """A sentence and a hint for each add-on that is not there."""
    return tuple(f"Cluster/{cluster}: add-on {one.name}: {_lack(one)}\n  hint: {_remedy(cluster, one)}" for one in found if not one.is_there)


def warnings(cluster: str, found: Sequence[FoundAddOn]) -> tuple[str, ...]:
    """A sentence for each add-on that runs another version than mlx is written for, and for what is amiss with how one was installed."""
    others = [(one, f"{one.version} runs, mlx is written for {one.release.version}") for one in found if _differs(one)]
    installed = [(one, told) for one in found for told in one.amiss]
    return tuple(f"Cluster/{cluster}: add-on {one.name}: {told}" for one, told in (*others, *installed))


def versions(found: Sequence[FoundAddOn]) -> dict[str, str]:
    """By add-on, of those that are there and tell."""
    return {one.name: one.version for one in found if one.is_there and one.version}


def _served(client: Client) -> frozenset[tuple[str, str]]:
    """Every kind that the cluster has, as apiVersion and kind. Source: apidiscovery.k8s.io/v2."""
    answer = client.get("/apis", AGGREGATED)
    if not answer.ok:
        raise KubernetesError(f"the API server does not say what it serves: {answer.message}", hint="mlx needs Kubernetes 1.30 or newer, and may read /apis")
    return frozenset(
        (f"{group['metadata']['name']}/{version['version']}", str(_at(one, "responseKind", "kind")))
        for group in _items(answer)
        for version in group.get("versions") or ()
        for one in version.get("resources") or ()
    )


def _listed(client: Client, namespace: str, kind: str) -> Iterable[tuple[tuple[str, str, str], Live]]:
    """Workloads by namespace, kind and name; none where the namespace is not there."""
    plural = PLURALS[kind]
    answer = client.get(f"/apis/apps/v1/namespaces/{namespace}/{plural}")
    if not answer.ok:
        raise KubernetesError(f"{plural} of namespace {namespace} cannot be listed: {answer.message}", hint=f"ask for the right to list {plural}.apps in it")
    # A list does not repeat what its items are.
    return [((namespace, kind, str(item["metadata"]["name"])), {**item, "apiVersion": "apps/v1", "kind": kind}) for item in _items(answer)]


def _items(answer: Answer) -> Sequence[Live]:
    return cast("Sequence[Live]", answer.body.get("items") or ())


def _found(client: Client, release: Release, wanted: Wanted, served: frozenset[tuple[str, str]], workloads: Mapping[tuple[str, str, str], Live]) -> FoundAddOn:
    missing = tuple(definition for definition in release.definitions if (definition.api_version, definition.kind) not in served)
    live = {workload: workloads.get((workload.namespace, workload.kind, workload.name)) for workload in release.workloads}
    not_ready = tuple(NotReady(workload, reason) for workload, item in live.items() if (reason := _reason(item)))
    first = next(iter(live.values()), None) or {}
    return FoundAddOn(release, wanted, _version(client, release, first, missing), missing, not_ready, (*in_files(release, first), *unseen(release, first)))


def _reason(workload: Live | None) -> str:
    """Why it does not count; empty: it does."""
    if workload is None:
        return "is not there"
    found = readiness(workload)
    return "" if found.state == "ready" else f"is not ready: {found.reason}"


def _version(client: Client, release: Release, workload: Live, missing: Sequence[Definition]) -> str:
    match release.version_from:
        case ImageTag(image=image):
            return _tag(workload, image)
        case Label(label=label):
            return str(_at(workload, "metadata", "labels", label) or "")
        case Annotation(annotation=annotation):
            return _annotation(client, release.definitions[0], annotation) if release.definitions[0] not in missing else ""
        case _:
            assert_never(release.version_from)


def _tag(workload: Live, image: str) -> str:
    """Of the container with this image, from whatever registry; a digest behind the tag does not count."""
    for container in cast("Sequence[Live]", _at(workload, "spec", "template", "spec", "containers") or ()):
        repository, _, tag = str(container.get("image") or "").partition("@")[0].rpartition(":")
        if f"/{repository}".endswith(f"/{image}"):
            return tag
    return ""


def _annotation(client: Client, definition: Definition, annotation: str) -> str:
    answer = client.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition.name}", METADATA_ONLY)
    return str(_at(answer.body, "metadata", "annotations", annotation) or "")


def _at(live: Live, *path: str) -> Any:
    """What stands there; None where nothing does."""
    found: Any = live
    for key in path:
        found = cast("Live", found or {}).get(key)
    return found


def _lack(one: FoundAddOn) -> str:
    named = some([definition.name for definition in one.missing])
    undefined = [f"{named} {'is' if len(one.missing) == 1 else 'are'} not defined"] if named else []
    return "; ".join([*undefined, *(f"{item.workload.id} {item.reason}" for item in one.not_ready)])


def _remedy(cluster: str, one: FoundAddOn) -> str:
    if one.wanted == "install":
        return f"mlx apply --cluster {cluster} installs it"
    if not one.missing and all(item.reason != "is not there" for item in one.not_ready):
        namespaces = sorted({item.workload.namespace for item in one.not_ready})
        return "its pods tell why: " + "; ".join(f"kubectl get pods --namespace {namespace}" for namespace in namespaces)
    by_hand = f"install it ({one.release.page})"
    return by_hand if one.release.unverified else f"{by_hand}, or write {one.name}: install"


def _differs(one: FoundAddOn) -> bool:
    return bool(one.version) and one.version.removeprefix("v") != one.release.version.removeprefix("v")
