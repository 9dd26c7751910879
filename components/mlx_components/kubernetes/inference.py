"""Inference on a cluster: an InferenceService on our own ServingRuntime, or a program that scores a dataset.

Source: KServe v1beta1 in Standard mode, in the form that its webhooks leave as it is; serving.kserve.io/v1alpha1 ServingRuntime.
"""

import json
from dataclasses import dataclass
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place, noted
from mlx_components.kubernetes.pods import (
    CONTAINER_SECURITY,
    POD_SECURITY,
    SCRATCH_MOUNT,
    environment,
    placement,
    resources,
    secret_variables,
    variables,
)
from mlx_components.kubernetes.programs import DIGITS, OBJECT_FOLDER, Program, program_objects
from mlx_features.online_settings import VARIABLE
from mlx_specs.accounts import SERVE
from mlx_specs.base import Compute, seconds
from mlx_specs.digests import digest
from mlx_specs.feature_resources import FeatureJoin, FeatureLookup
from mlx_specs.feature_store import OnlineStore
from mlx_specs.inference import Batch, Inference, Realtime, Scaling
from mlx_specs.resources import Version

MODELS = "/mnt/models"
"""Where the server finds the artifact."""
MODELS_VOLUME = "models"
INITIALIZER = "storage-initializer"
"""The name of KServe's own, which it leaves out where a pod has one."""
FEATURES_FILE = "features.json"
PORT = 8080
CPU_TARGET = 80
"""Per cent of the requested cores, from which on replicas are added."""
GRACE = 15
"""Seconds that a server may take to end besides the longest request: it takes new ones for a while (mlx_runtime.server.container)."""
STANDARD = "serving.kserve.io/deploymentMode"
AUTOSCALER = "serving.kserve.io/autoscalerClass"


@dataclass(frozen=True)
class LookedUp:
    """How an endpoint's requests are completed."""

    lookup: FeatureLookup
    store: OnlineStore
    code: str
    """The modules that on-demand views need: a zip file in base64."""
    awaited: bool
    """Whether a Job fills the store when it is applied."""


@dataclass(frozen=True)
class Joined:
    """What is joined to the rows of a batch."""

    join: FeatureJoin
    code: str
    """The modules that on-demand views need: a zip file in base64."""


def endpoint_objects(inference: Inference, place: Place, version: Version, features: LookedUp | None = None, *, watched: bool = False) -> tuple[Manifest, ...]:
    """The runtime; and with a version of the model the endpoint, which may not be interrupted as a whole. ``watched``: its predictions are logged."""
    runtime = _runtimes(inference, place, features, place.target.storage if watched else "")
    if not version.exists:
        return runtime
    scaling = inference.spec.scaling or Scaling()
    budget = (_budget(inference, place),) if scaling.min > 1 else ()
    return (*runtime, _service(inference, place, version, scaling), *budget)


def _runtimes(inference: Inference, place: Place, features: LookedUp | None, log: str) -> tuple[Manifest, ...]:
    """With what it mounts."""
    runtime = _runtime(inference, place, log)
    if features is None:
        return (runtime,)
    completing = _completing(inference, place, features)
    return (completing, _with_features(runtime, features, completing["metadata"]["name"]))


def _completing(inference: Inference, place: Place, features: LookedUp) -> Manifest:
    """Named by its digest: pods of the old definition keep the old one."""
    told = {"lookup": features.lookup.wire(), "onlineStore": features.store.type, "awaited": features.awaited, "code": features.code}
    text = json.dumps(told, indent=1, sort_keys=True)
    metadata = place.metadata(inference, f"{runtime_name(inference)}-{digest(told)[:DIGITS]}")
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {FEATURES_FILE: text}, "immutable": True}


def _with_features(runtime: Manifest, features: LookedUp, configuration: str) -> Manifest:
    """A runtime that completes requests from the online store."""
    spec, connection = runtime["spec"], features.store.connection
    assert connection is not None, "a file is in no pod: said by features_are_where_pods_read_them"
    (container,) = spec["containers"]
    completed = {
        **container,
        "args": [*container["args"], "--features", f"{OBJECT_FOLDER}/{FEATURES_FILE}"],
        "env": [*container["env"], *secret_variables({VARIABLE: connection})],
        "volumeMounts": [*container["volumeMounts"], {"name": "features", "mountPath": OBJECT_FOLDER, "readOnly": True}],
    }
    volumes = [*spec["volumes"], {"name": "features", "configMap": {"name": configuration}}]
    return {**runtime, "spec": {**spec, "containers": [completed], "volumes": volumes}}


def _runtime(inference: Inference, place: Place, log: str) -> Manifest:
    settings = inference.spec.realtime or Realtime()
    name = inference.metadata.name
    args = ["--model", name, "--folder", MODELS, "--port", str(PORT), "--timeout", str(seconds(settings.timeout)), "--max-rows", str(settings.max_rows)]
    args += ["--log", log] if log else []
    compute = inference.spec.compute
    threads = compute.cpu if compute is not None and compute.cpu is not None else 1
    about = {"description": inference.metadata.description, "owner": inference.metadata.owner, "labels": dict(inference.metadata.labels)}
    env = {**variables(place), "MLX_ABOUT": json.dumps(about, sort_keys=True), "MLX_THREADS": str(threads)}
    probe = {"httpGet": {"path": "/v2/health/ready", "port": PORT}, "periodSeconds": 5, "failureThreshold": 3}
    container = {
        "name": "kserve-container",
        "image": place.image("runtime"),
        "command": ["python", "-m", "mlx_runtime.server.container"],
        "args": args,
        "env": environment(env),
        "ports": [{"containerPort": PORT, "name": "http1", "protocol": "TCP"}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "httpGet": {"path": "/v2/health/live", "port": PORT}},
        "resources": resources(compute),
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [dict(SCRATCH_MOUNT), {"name": MODELS_VOLUME, "mountPath": MODELS, "readOnly": True}],
    }
    spec = {
        "containers": [container],
        "multiModel": False,
        "protocolVersions": ["v1", "v2"],
        "supportedModelFormats": [{"name": "mlx", "version": "1", "autoSelect": False}],
        "volumes": [{"name": "scratch", "emptyDir": {}}, {"name": MODELS_VOLUME, "emptyDir": {}}],
    }
    return {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime", "metadata": place.metadata(inference, runtime_name(inference)), "spec": spec}


def runtime_name(inference: Inference) -> str:
    """One for each endpoint: its arguments are the endpoint's settings."""
    return f"mlx-{inference.metadata.name}"


def _service(inference: Inference, place: Place, version: Version, scaling: Scaling) -> Manifest:
    compute = inference.spec.compute
    metadata = place.metadata(inference, inference.metadata.name)
    scaled = scaling.max > scaling.min
    notes = {STANDARD: "Standard", AUTOSCALER: "hpa" if scaled else "none", "mlx.dev/version": version.version}
    predictor: dict[str, Any] = {
        "minReplicas": scaling.min,
        "maxReplicas": scaling.max,
        **({"scaleMetric": "cpu", "scaleTarget": CPU_TARGET} if scaled else {}),
        "serviceAccountName": SERVE,
        "automountServiceAccountToken": False,
        "securityContext": dict(POD_SECURITY),
        "terminationGracePeriodSeconds": seconds((inference.spec.realtime or Realtime()).timeout) + GRACE,
        **placement(place, compute),
        "initContainers": [_fetching(place, version, compute)],
        "model": {
            "modelFormat": {"name": "mlx", "version": "1"},
            "protocolVersion": "v2",
            "runtime": runtime_name(inference),
            "storageUri": storage_uri(version.artifact),
            "env": _which(version),
            "resources": resources(compute),
        },
    }
    labels = place.pod_labels(inference, compute)  # KServe gives them to the pods
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": noted({**metadata, "labels": labels}, notes),
        "spec": {"predictor": predictor},
    }


def _fetching(place: Place, version: Version, compute: Compute | None) -> Manifest:
    """What lays the version down before the server starts; KServe's own is refused in a namespace of level `restricted`."""
    return {
        "name": INITIALIZER,
        "image": place.image("runtime"),
        "command": ["python", "-m", "mlx_runtime.cluster.fetch_model"],
        "args": ["--folder", MODELS],
        "env": [*environment(variables(place)), *_which(version)],
        "resources": resources(compute),
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [dict(SCRATCH_MOUNT), {"name": MODELS_VOLUME, "mountPath": MODELS}],
    }


def _which(version: Version) -> list[Manifest]:
    return [{"name": "MLX_VERSION", "value": json.dumps(version.wire(), sort_keys=True)}]


def storage_uri(artifact: str) -> str:
    """As KServe reads it: Azure's has the account in the host."""
    place, _, query = artifact.partition("?")
    if not place.startswith("azblob://"):
        return artifact
    container, _, path = place.removeprefix("azblob://").partition("/")
    return f"https://{query.removeprefix('storage_account=')}.blob.core.windows.net/{container}/{path}"


def _budget(inference: Inference, place: Place) -> Manifest:
    chosen = {"matchLabels": {"serving.kserve.io/inferenceservice": inference.metadata.name}}
    spec = {"minAvailable": 1, "selector": chosen}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": place.metadata(inference, inference.metadata.name), "spec": spec}


def batch_objects(
    inference: Inference, settings: Batch, place: Place, version: Version, input_digest: str, features: Joined | None = None
) -> tuple[Manifest, ...]:
    """Nothing runs before there is a version; with another one everything is scored again, by an apply or by the schedule only."""
    if not version.exists or (settings.trigger == "manual" and settings.schedule is None):
        return ()
    name = inference.metadata.name
    content = {
        "name": name,
        "model": inference.spec.model,
        "version": version.wire(),
        "input": settings.input,
        "inputDigest": input_digest,
        "columns": list(settings.columns),
        "storage": place.target.storage,
        **({"join": features.join.wire(), "code": features.code} if features is not None else {}),
    }
    program = Program(inference, f"batch-{name}", "score", content, inference.spec.compute, settings.schedule, once=settings.trigger == "apply")
    return program_objects(program, place)
