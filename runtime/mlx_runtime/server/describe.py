"""What the server says of itself: liveness, readiness, and the models' metadata with their schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlx_runtime.features import FeatureJoin
from mlx_runtime.server import freshness
from mlx_runtime.server.accepted import Accepted
from mlx_runtime.server.config import EndpointConfig
from mlx_runtime.server.held import Held, Snapshot
from mlx_runtime.server.http import Answer, HttpError, json_answer
from mlx_specs.artifact import Tensor

EXTENSIONS = ["binary_tensor_data"]


def answer(path: str, snapshot: Snapshot) -> Answer:
    """The answer to a GET, or ``HttpError`` 404."""
    if respond := ROUTES.get(path):
        return respond(snapshot)
    parts = path.strip("/").split("/")
    match parts:
        case ["v1", "models", name] if not name.endswith(":predict"):
            return _ready(_model(snapshot, name), snapshot.current)
        case ["v2", "models", name]:
            return _metadata_answer(_model(snapshot, name))
        case ["v2", "models", name, "ready"]:
            return _ready(_model(snapshot, name), snapshot.current)
        case ["v2", "models", name, "versions", version]:
            return json_answer(_metadata(snapshot, _version(_model(snapshot, name), version)))
        case ["v2", "models", name, "versions", version, "ready"]:
            return _ready(snapshot, _version(_model(snapshot, name), version))
        case ["v1" | "v2", "models", name, *_] if name.removesuffix(":predict") != snapshot.config.name:
            raise _not_served(snapshot, name.removesuffix(":predict"))
        case _:
            raise HttpError(404, f"no such path: {path}. Models are below /v2/models/{snapshot.config.name}")


def waiting(config: EndpointConfig) -> str:
    """Why there is no answer yet."""
    return f"WaitingForModel({config.waiting_for}): no version has passed its gates yet; mlx apply completes the endpoint when one has"


def unready(snapshot: Snapshot, held: Held | None) -> str:
    """Why a request that carries only what it must would not be answered, or nothing."""
    if snapshot.unready or held is None:
        return snapshot.unready or waiting(snapshot.config)
    join = held.accepted.join
    return join.source.unavailable() if join and join.whole.wanted else ""


def serving(snapshot: Snapshot) -> str:
    """One line for the log."""
    held = snapshot.current
    return f"version {held.version.version} ({held.model.engine})" if held else f"nothing yet: WaitingForModel({snapshot.config.waiting_for})"


def _model(snapshot: Snapshot, name: str) -> Snapshot:
    if name != snapshot.config.name:
        raise _not_served(snapshot, name)
    return snapshot


def _not_served(snapshot: Snapshot, name: str) -> HttpError:
    return HttpError(404, f"model '{name}' is not served here: this is '{snapshot.config.name}'")


def _version(snapshot: Snapshot, version: str) -> Held:
    held = snapshot.versions.get(version)
    if held is None:
        raise HttpError(404, f"version '{version}' is not held here: {', '.join(sorted(snapshot.versions)) or 'none is'}")
    return held


def _metadata_answer(snapshot: Snapshot) -> Answer:
    held = snapshot.current
    if held is None:
        return json_answer({"name": snapshot.config.name, "ready": False, "error": waiting(snapshot.config)}, 503)
    return json_answer(_metadata(snapshot, held), version=held.version.version)


def _ready(snapshot: Snapshot, held: Held | None) -> Answer:
    reason = unready(snapshot, held)
    name = snapshot.config.name
    if reason:
        return json_answer({"name": name, "ready": False, "error": reason}, 503)
    return json_answer({"name": name, "ready": True}, version=held.version.version if held else "")


def _metadata(snapshot: Snapshot, held: Held) -> dict[str, Any]:
    """V2's model metadata; what goes beyond the protocol stands in ``parameters``."""
    config, model, accepted = snapshot.config, held.model, held.accepted
    return {
        "name": config.name,
        "versions": sorted(snapshot.versions),
        "platform": f"mlx_{model.engine}",
        "inputs": [_tensor(tensor) for tensor in accepted.required],
        "outputs": [_tensor(tensor) for tensor in model.outputs],
        "parameters": {
            "model": model.model,
            "model_version": held.version.version,
            "fingerprint": model.fingerprint,
            "artifact_digest": held.version.artifact_digest,
            "task": model.task,
            "target": model.target,
            "example": model.example,
            "max_rows": config.max_rows,
            "timeout": config.timeout,
            **(_features(accepted, accepted.join) if accepted.join else {}),
            **config.about.wire(),
        },
    }


def _features(accepted: Accepted, join: FeatureJoin) -> dict[str, Any]:
    """What a request may leave out, what is looked up by what unless a request carries all inputs, and what can be asked for besides the model's outputs."""
    return {
        "feature_service": join.service.name,
        "keys": join.whole.keys,
        "model_inputs": [*join.columns, *join.joined],
        "optional_inputs": [_tensor(tensor) for tensor in accepted.optional],
        "optional_outputs": freshness.output_names(accepted),
        "event_time": join.event_time,
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    parameters = {"type": tensor.type, "nullable": tensor.nullable} | ({"categories": tensor.categories} if tensor.categories is not None else {})
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": [-1], "parameters": parameters}


def _server(snapshot: Snapshot) -> Answer:
    return json_answer({"name": "mlx", "version": "2", "extensions": EXTENSIONS})


def _all_ready(snapshot: Snapshot) -> Answer:
    reason = unready(snapshot, snapshot.current)
    return json_answer({"ready": False, "error": reason} if reason else {"ready": True}, 503 if reason else 200)


ROUTES: dict[str, Callable[[Snapshot], Answer]] = {
    "/": lambda snapshot: json_answer({"status": "alive"}),
    "/v2": _server,
    "/v2/health/live": lambda snapshot: json_answer({"live": True}),
    "/v2/health/ready": _all_ready,
    "/v1/models": lambda snapshot: json_answer({"models": [snapshot.config.name]}),
    "/v2/models": lambda snapshot: json_answer({"models": [snapshot.config.name]}),
}
