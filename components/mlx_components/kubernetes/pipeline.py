"""Pipeline on a cluster: KFP's own objects, and what the compiled pipeline needs there: our image, and each step's compute and pool.

Source: Kubeflow Pipelines v2beta1, Pipeline and PipelineVersion; the IR's PipelineSpec and SinglePlatformSpec of kubernetes.
"""

import copy
from collections.abc import Mapping
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place
from mlx_specs.base import Compute
from mlx_specs.capacity import number_of
from mlx_specs.model import Model
from mlx_specs.pipeline import Pipeline, StepSpec
from mlx_specs.pools import GPU
from mlx_specs.resources import digest

API = "pipelines.kubeflow.org/v2beta1"
OURS = "python:"
"""How the image of a step begins that runs in ours: KFP's default, and that of our own steps. Another one is the user's own."""


def pipeline_object(pipeline: Pipeline, place: Place) -> Manifest:
    """The pipeline itself, which its versions name."""
    spec = {"displayName": pipeline.metadata.name, **({"description": pipeline.metadata.description} if pipeline.metadata.description else {})}
    return {"apiVersion": API, "kind": "Pipeline", "metadata": place.metadata(pipeline, pipeline.metadata.name), "spec": spec}


def version_object(owner: Pipeline | Model, pipeline: Pipeline, place: Place, compiled: Mapping[str, Any]) -> Manifest:
    """One version, named by the digest of what it says: KFP lets nobody change it. ``owner`` is who needs it so: a model may ask for more."""
    spec, platforms = on_cluster(compiled, pipeline, place)
    said = {"pipelineName": pipeline.metadata.name, "pipelineSpec": spec, **({"platformSpec": platforms} if platforms else {})}
    name = f"{owner.metadata.name}-{digest(said)[:12]}"
    return {"apiVersion": API, "kind": "PipelineVersion", "metadata": place.metadata(owner, name), "spec": {"displayName": name, **said}}


def with_compute(pipeline: Pipeline, compiled: Mapping[str, Any], compute: Compute) -> Pipeline:
    """The pipeline with every step asking for as much, but for those that it gives something of their own."""
    steps = [executor.removeprefix("exec-") for executor in compiled["deploymentSpec"]["executors"]]
    asked = {**{step: StepSpec(compute=compute) for step in steps}, **pipeline.spec.steps}
    return pipeline.model_copy(update={"spec": pipeline.spec.model_copy(update={"steps": asked})})


def on_cluster(compiled: Mapping[str, Any], pipeline: Pipeline, place: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    """The IR with our image and the steps' resources, and beside it where the steps' pods may run."""
    spec = copy.deepcopy(dict(compiled))
    placed: dict[str, Any] = {}
    for executor, described in spec["deploymentSpec"]["executors"].items():
        container = described.get("container")
        if container is None:
            continue
        if container["image"].startswith(OURS):
            container["image"] = place.image("pipelines")
        step = pipeline.spec.steps.get(executor.removeprefix("exec-"))
        if step is not None:
            container["resources"] = {**container.get("resources", {}), **_resources(step.compute)}
            placed |= {executor: where} if (where := _where(step.compute, place)) else {}
    platforms = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": placed}}}} if placed else {}
    return spec, platforms


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


def _where(compute: Compute, place: Place) -> dict[str, Any]:
    if compute.pool is None:
        return {}
    tolerations = place.tolerations(compute.pool)
    return {"nodeSelector": {"labels": place.node_selector(compute.pool)}, **({"tolerations": tolerations} if tolerations else {})}


def gigabytes(quantity: str) -> float:
    """``4Gi`` is 4.294967296."""
    return float(number_of(quantity) / 10**9)
