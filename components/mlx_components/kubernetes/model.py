"""Model on a cluster: a TrainJob where training is spread over several nodes. One node trains in a run of its pipeline.

Source: Kubeflow Trainer trainer.kubeflow.org/v1alpha1, TrainJob with runtimePatches.
"""

import json
from collections.abc import Mapping
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place, noted
from mlx_components.kubernetes.pods import CONTAINER_SECURITY, POD_SECURITY, environment, placement, resources, variables
from mlx_components.kubernetes.programs import DIGITS, runs_again
from mlx_specs.accounts import TRAIN
from mlx_specs.base import plain
from mlx_specs.digests import digest
from mlx_specs.model import Model
from mlx_specs.pipeline_resources import SubmittedRun

RUNTIME = "torch-distributed"
MANAGER = "mlx.dev/apply"
DELETED: Mapping[str, str] = {"pulumi.com/deletionPropagationPolicy": "background"}
"""Trainer makes a TrainJob's pods anew as long as the TrainJob is there: one that waited for them to go would wait for ever."""
POD_OF_RUNTIME = "node"
"""How the runtime names its job and its container."""


def is_distributed(model: Model) -> bool:
    """Whether it trains on several nodes at once."""
    return model.spec.compute is not None and model.spec.compute.is_spread


def train_job(model: Model, place: Place, run: SubmittedRun, code: str) -> Manifest:
    """Named by the fingerprint and by how it runs, for nobody can change one: what has been trained is not trained again.

    ``code`` is the workspace's modules as text.
    """
    compute = model.spec.compute
    assert compute is not None
    name = model.metadata.name
    patch = _patch(place, model)
    seen = [variables(place), place.image("pipelines"), plain(compute), patch, place.labels(model)]
    marked = digest([run.version.fingerprint, *seen])
    marked_name = f"train-{name}-{marked[:DIGITS]}"
    told = {
        "MLX_RUN": json.dumps(run.wire(), sort_keys=True), "MLX_RUN_ID": marked_name, "MLX_NAMESPACE": place.namespace,
        "MLX_THREADS": str(compute.cpu or 1),
    }  # fmt: skip
    trainer = {
        "numNodes": compute.nodes,
        "numProcPerNode": compute.gpu or 1,
        "image": place.image("pipelines"),
        "command": ["torchrun", "-m", "mlx_pipelines.cluster", "train"],
        "env": environment({**variables(place), **told, **({"MLX_CODE": code} if code else {})}),
        "resourcesPerNode": resources(compute),
    }
    spec = {"runtimeRef": {"name": RUNTIME, "kind": "ClusterTrainingRuntime"}, "trainer": trainer, "runtimePatches": [patch]}
    metadata = noted(place.submitted(model, marked_name, compute), DELETED)
    return runs_again({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "metadata": metadata, "spec": spec})


def _patch(place: Place, model: Model) -> dict[str, Any]:
    # The runtime's own container: its file system stays as the runtime has it.
    own = {"name": POD_OF_RUNTIME, "securityContext": {name: value for name, value in CONTAINER_SECURITY.items() if name != "readOnlyRootFilesystem"}}
    pod = {"serviceAccountName": TRAIN, "securityContext": dict(POD_SECURITY), "containers": [own], **placement(place, model.spec.compute)}
    template = {"spec": {"template": {"metadata": {"labels": place.pod_labels(model)}, "spec": pod}}}
    return {"manager": MANAGER, "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [{"name": POD_OF_RUNTIME, "template": template}]}}}}
