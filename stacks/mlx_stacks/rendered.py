"""`mlx render`: an environment, or a cluster, as files that Argo CD, Flux or kubectl apply.

Enters: an opened workspace. Leaves: the files' texts by their places, the same for the same specs; what is no plain manifest is told
in a README beside them. Nothing is written here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx_components.cluster import cluster_objects, labels
from mlx_components.clusters.add_ons import phases, usual_source
from mlx_components.clusters.releases import releases
from mlx_components.kubernetes.model import is_distributed
from mlx_components.kubernetes.place import KIND, NAME, Manifest
from mlx_specs.cluster import Cluster
from mlx_specs.inference import Inference
from mlx_specs.model import Model
from mlx_specs.support import deferral
from mlx_stacks.api_object import made_for, name_of, part
from mlx_stacks.cluster_program import quotas
from mlx_stacks.errors import UserError
from mlx_stacks.on_cluster import manifests
from mlx_stacks.plain_yaml import plain_yaml
from mlx_stacks.workspace import Workspace

KUSTOMIZATION, README = "kustomization.yaml", "README.md"
ENGINES_OWN = "pulumi.com/"
"""Annotations that mean something to Pulumi only."""


@dataclass(frozen=True)
class Rendered:
    """``files`` by their places; ``notes`` is what the manifests do not do."""

    files: Mapping[str, str]
    notes: tuple[str, ...]


def rendered(workspace: Workspace) -> Rendered:
    """Raises ``UserError`` for an environment without a cluster, and where the registry cannot be asked which versions are served."""
    if workspace.cluster is not None:
        return _of_cluster(workspace, workspace.cluster)
    if workspace.environment.spec.target.type != "kubernetes":
        reason = f"environment {workspace.name!r} is on this machine: there are no manifests of it"
        raise UserError(reason, hint="choose an environment with target: {type: kubernetes} by --env, or a cluster by --cluster")
    made = [_plain(one) for one in manifests(workspace)]
    files = _by_object(made)
    compiled = {f"pipelines/{place}": text for place, text in _compiled(made)}
    notes = tuple(_notes(workspace, made))
    return _with_lists(f"environment {workspace.name}", f"mlx render --env {workspace.name}", files, compiled, notes)


def _of_cluster(workspace: Workspace, cluster: Cluster) -> Rendered:
    """What stands in the cluster: its queues, and the releases of the add-ons that mlx installs."""
    spec, name, marks = cluster.spec, cluster.metadata.name, labels(cluster, workspace.project)
    files = _by_add_on(cluster, marks)
    queues = [_plain(one) for one in cluster_objects(cluster, workspace.project, quotas(workspace, spec))]
    files |= {"queues.yaml": plain_yaml(queues)} if queues else {}
    made = [] if spec.provider == "existing" else [f"the cluster itself and its node pools: mlx apply --cluster {name} makes them on {spec.provider}"]
    verified = [add_on for add_on in sorted(spec.add_ons) if spec.add_ons[add_on] == "verify"]
    made += [f"add-ons that are only verified: {', '.join(verified)} must be there"] if verified else []
    return _with_lists(f"Cluster/{name}", f"mlx render --cluster {name}", files, {}, tuple(made))


def _by_add_on(cluster: Cluster, marks: Mapping[str, str]) -> dict[str, str]:
    asked = [release for name, release in releases().items() if cluster.spec.add_ons.get(name) == "install"]
    return {f"add-on-{one.name}.yaml": plain_yaml(_marked(obj, marks) for phase in phases(one, usual_source()) for obj in phase.objects) for one in asked}


def _marked(manifest: Manifest, marks: Mapping[str, str]) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "labels": {**part(manifest, "metadata", "labels"), **marks}}}


def _plain(manifest: Manifest) -> Manifest:
    """Without what only the engine reads."""
    metadata = dict(manifest["metadata"])
    kept = {key: value for key, value in metadata.pop("annotations", {}).items() if not key.startswith(ENGINES_OWN)}
    return {**manifest, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}


def _by_object(made: Sequence[Manifest]) -> dict[str, str]:
    """A file for each object of the specs, in the order in which they can be applied."""
    grouped: dict[str, list[Manifest]] = {}
    for manifest in made:
        grouped.setdefault(_file(manifest), []).append(manifest)
    return {file: plain_yaml(group) for file, group in grouped.items()}


def _file(manifest: Manifest) -> str:
    marks = part(manifest, "metadata", "labels")
    kind, name = str(marks[KIND]).lower(), marks[NAME]
    return "environment.yaml" if kind == "environment" else f"{kind}-{name}.yaml"


def _compiled(made: Iterable[Manifest]) -> Iterator[tuple[str, str]]:
    """As `kfp pipeline create` takes it: the pipeline, and beside it where its steps run. A model with compute of its own has one of its own."""
    for manifest in made:
        if manifest["kind"] == "PipelineVersion":
            spec = manifest["spec"]
            documents = [spec["pipelineSpec"], *([spec["platformSpec"]] if "platformSpec" in spec else [])]
            yield _file(manifest).removeprefix("pipeline-"), plain_yaml(documents)


def _notes(workspace: Workspace, made: Sequence[Manifest]) -> Iterator[str]:
    there = {made_for(manifest) for manifest in made}
    became = "champion" if workspace.released is None else "released"
    served = {name_of(manifest) for manifest in made if manifest["kind"] == "InferenceService"}
    for node in workspace.graph.objects:
        reason = deferral(node.object, "kubernetes")
        match node.object:
            case _ if reason is not None:
                yield f"{node.id}: {reason}"
            case Model() as model:
                yield from _of_model(model, node.id) if workspace.released is None else ()
            case Inference() as inference if inference.spec.mode == "realtime" and inference.metadata.name not in served:
                yield f"{node.id}: waits for {inference.spec.model}; rendered again once a version is {became}, it is complete"
            case Inference() as inference if inference.spec.mode != "realtime" and node.id not in there:
                yield f"{node.id}: waits for {inference.spec.model}; rendered again once a version is {became}, it is there"
            case _:
                pass


def _of_model(model: Model, id: str) -> Iterator[str]:
    if not is_distributed(model):
        yield f"{id}: its training run is submitted to Kubeflow Pipelines by mlx apply"
    if model.spec.retraining is not None and model.spec.retraining.schedule:
        yield f"{id}: its recurring run ({model.spec.retraining.schedule}) is kept in Kubeflow Pipelines by mlx apply"


def _with_lists(what: str, command: str, files: Mapping[str, str], others: Mapping[str, str], notes: tuple[str, ...]) -> Rendered:
    listed: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(files),
        "sortOptions": {"order": "fifo"},
    }
    lists = {KUSTOMIZATION: plain_yaml([listed]), README: _readme(what, command, others, notes)}
    return Rendered({**files, **others, **lists}, notes)


def _readme(what: str, command: str, others: Iterable[str], notes: Sequence[str]) -> str:
    lines = [f"# {what}", "", f"Written by `{command}`, which writes it again: edit the specs, not these files.", ""]
    lines += ["`kustomization.yaml` lists the manifests in the order in which they can be applied.", ""]
    lines += [f"Compiled pipelines, for `kfp pipeline create`: {', '.join(sorted(others))}.", ""] if others else []
    lines += ["What no manifest does:", "", *(f"- {note}" for note in notes), ""] if notes else []
    return "\n".join(lines)
