"""Pipeline on a cluster: KFP's own objects, and what the compiled pipeline needs there: our image, and each step's compute and pool.

Source: Kubeflow Pipelines v2beta1, Pipeline and PipelineVersion; the IR's PipelineSpec and SinglePlatformSpec of kubernetes.
"""

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.pods import USER, environment, variables
from mlx_pipelines.contract import RUN, RUN_ID
from mlx_pipelines.refusals import has_pip_line
from mlx_specs.base import Compute
from mlx_specs.capacity import number_of
from mlx_specs.digests import digest
from mlx_specs.model import Model
from mlx_specs.pipeline import Pipeline, StepSpec
from mlx_specs.pools import GPU

API = "pipelines.kubeflow.org/v2beta1"
EXECUTOR = "exec-"
COMPLETE = "mlx-complete"
COMPLETING = Compute(cpu=1, memory="4Gi")
"""It scores the held-out rows by two versions."""
NOT_ROOT: Mapping[str, Any] = {"runAsNonRoot": True}
"""KFP says it of its own containers; a namespace of level `restricted` wants to be told it of a step's own as well."""
OUR_USER: Mapping[str, Any] = {**NOT_ROOT, "runAsUser": USER, "runAsGroup": USER}
OURS = "python:"
"""How the image of a step begins that runs in ours: KFP's default, and that of our own steps. Another one is the user's own."""


def pipeline_object(pipeline: Pipeline, place: Place) -> Manifest:
    """The pipeline itself, which its versions name."""
    spec = {"displayName": pipeline.metadata.name, **({"description": pipeline.metadata.description} if pipeline.metadata.description else {})}
    return {"apiVersion": API, "kind": "Pipeline", "metadata": place.metadata(pipeline, pipeline.metadata.name), "spec": spec}


@dataclass(frozen=True)
class Compiled:
    """What a version is made of."""

    ir: Mapping[str, Any]
    """KFP's, as for a laptop."""
    code: str
    """The workspace's modules that it reaches: a zip file in base64."""
    completing: Mapping[str, Any]
    """The IR of a pipeline with one step, which comes after all others on a cluster."""


def version_object(owner: Pipeline | Model, pipeline: Pipeline, place: Place, compiled: Compiled) -> Manifest:
    """One version, named by the digest of what it says: KFP lets nobody change it. ``owner`` is who needs it so: a model may ask for more."""
    spec, platforms = on_cluster(compiled, pipeline, place)
    said = {"pipelineName": pipeline.metadata.name, "pipelineSpec": spec, "platformSpec": platforms}
    name = f"{owner.metadata.name}-{digest(said)[:12]}"
    return {"apiVersion": API, "kind": "PipelineVersion", "metadata": place.metadata(owner, name), "spec": {"displayName": name, **said}}


def steps_of(ir: Mapping[str, Any]) -> list[str]:
    """The names of its steps."""
    return [executor.removeprefix(EXECUTOR) for executor in ir["deploymentSpec"]["executors"]]


def with_compute(pipeline: Pipeline, compiled: Compiled, compute: Compute) -> Pipeline:
    """The pipeline with every step asking for as much, but for those that it gives something of their own."""
    asked = {**{step: StepSpec(compute=compute) for step in steps_of(compiled.ir)}, **pipeline.spec.steps}
    return pipeline.model_copy(update={"spec": pipeline.spec.model_copy(update={"steps": asked})})


def on_cluster(compiled: Compiled, pipeline: Pipeline, place: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    """The IR with our image, the steps' resources and what lays a workspace around each, and beside it where the steps' pods may run."""
    spec = copy.deepcopy(dict(compiled.ir))
    executors = spec["deploymentSpec"]["executors"]
    asked = {f"{EXECUTOR}{name}": step.compute for name, step in pipeline.spec.steps.items()}
    ours = {name for name, described in executors.items() if described.get("container", {}).get("image", "").startswith(OURS)}
    for executor, described in executors.items():
        compute = asked.get(executor)
        if executor in ours:
            described["container"] = _around(described["container"], place, compiled.code, compute)
        if "container" in described and compute is not None:
            described["container"]["resources"] = {**described["container"].get("resources", {}), **_resources(compute)}
    _append(spec, compiled, place)
    ours.add(f"{EXECUTOR}{COMPLETE}")
    _tell_all(spec, ours)
    containers = [name for name, described in executors.items() if "container" in described]
    pods = {name: {**_pod(asked.get(name), place), "securityContext": OUR_USER if name in ours else NOT_ROOT} for name in containers}
    return spec, {"platforms": {"kubernetes": {"deploymentSpec": {"executors": pods}}}}


def _around(container: Mapping[str, Any], place: Place, code: str, compute: Compute | None, *flags: str) -> dict[str, Any]:
    """A step in a workspace of its own (mlx_pipelines.cluster)."""
    threads = compute.cpu if compute is not None and compute.cpu is not None else 1
    told = {**variables(place), "MLX_NAMESPACE": place.namespace, "MLX_THREADS": str(threads), **({"MLX_CODE": code} if code else {})}
    own = container["command"][3:] if has_pip_line(container["command"]) else container["command"]  # what a step installs is in the image
    command = ["python3", "-m", "mlx_pipelines.cluster", "step", *flags, "--", *own]
    return {**container, "image": place.image("pipelines"), "command": command, "env": [*container.get("env", []), *environment(told)]}


def _append(spec: dict[str, Any], compiled: Compiled, place: Place) -> None:
    """The step that comes after all others."""
    (described,), (made,) = (list(each.values()) for each in (compiled.completing["components"], compiled.completing["deploymentSpec"]["executors"]))
    container = _around(made["container"], place, compiled.code, COMPLETING, "--all")
    container["resources"] = _resources(COMPLETING)
    spec["components"][f"comp-{COMPLETE}"] = {**copy.deepcopy(described), "executorLabel": f"{EXECUTOR}{COMPLETE}"}
    spec["deploymentSpec"]["executors"][f"{EXECUTOR}{COMPLETE}"] = {"container": container}
    tasks = spec["root"]["dag"]["tasks"]
    tasks[COMPLETE] = {"componentRef": {"name": f"comp-{COMPLETE}"}, "dependentTasks": sorted(tasks), "inputs": {}, "taskInfo": {"name": COMPLETE}}


def _tell_all(spec: dict[str, Any], executors: Collection[str]) -> None:
    """Every step of ours, in whatever loop, is told which run it is of; none is answered from KFP's cache, which knows definitions only."""
    components = spec["components"]
    told = {name for name, component in components.items() if "dag" in component or component.get("executorLabel") in executors}
    for component in (spec["root"], *(components[name] for name in sorted(told))):
        taken = component.setdefault("inputDefinitions", {}).setdefault("parameters", {})
        taken[RUN] = {"parameterType": "STRING"}
        if "dag" not in component:
            taken[RUN_ID] = {"parameterType": "STRING"}
    for component in (spec["root"], *(component for component in components.values() if "dag" in component)):
        for task in component["dag"]["tasks"].values():
            task["cachingOptions"] = {}
            name = task["componentRef"]["name"]
            if name in told:
                given = task.setdefault("inputs", {}).setdefault("parameters", {})
                given[RUN] = {"componentInputParameter": RUN}
                if "dag" not in components[name]:
                    given[RUN_ID] = {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}


def _resources(compute: Compute) -> dict[str, Any]:
    """In cores and gigabytes, and as the newer fields want them."""
    made: dict[str, Any] = {}
    if compute.cpu is not None:
        made |= {"cpuLimit": float(compute.cpu), "cpuRequest": float(compute.cpu), "resourceCpuLimit": str(compute.cpu), "resourceCpuRequest": str(compute.cpu)}
    if compute.memory is not None:
        size = gigabytes(compute.memory)
        made |= {"memoryLimit": size, "memoryRequest": size, "resourceMemoryLimit": compute.memory, "resourceMemoryRequest": compute.memory}
    if compute.gpu:
        made["accelerator"] = {"count": str(compute.gpu), "type": GPU, "resourceCount": str(compute.gpu), "resourceType": GPU}
    return made


def _pod(compute: Compute | None, place: Place) -> dict[str, Any]:
    """Where a step's pod may run, and its labels: Kueue takes it up by itself."""
    labels = {**place.queue(compute), **place.reach.pod_labels}
    made: dict[str, Any] = {"podMetadata": {"labels": labels}} if labels else {}
    if compute is None or compute.pool is None:
        return made
    tolerations = place.tolerations(compute.pool)
    return {**made, "nodeSelector": {"labels": place.node_selector(compute.pool)}, **({"tolerations": tolerations} if tolerations else {})}


def gigabytes(quantity: str) -> float:
    """``4Gi`` is 4.294967296."""
    return float(number_of(quantity) / 10**9)
