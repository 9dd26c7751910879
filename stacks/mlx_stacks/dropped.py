"""Refuses to drop a feature that a live model version reads: from its view, with its view, its service or its store.

Enters: the steps of a preview, the graph and the workspace. A champion's model.json says what it reads; the resources of the
model and its inferences say from which service they got it; the specs say what that service will have. Reads only.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_engine.host import Step
from mlx_specs.artifact import MODEL_FILE
from mlx_specs.diagnostics import listing
from mlx_specs.feature_resources import FeatureDefinitions, JoinedDatasetInputs
from mlx_specs.feature_services import Service, services_of
from mlx_specs.graph import Graph
from mlx_specs.inference import Inference
from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.model import Model
from mlx_specs.model_resources import ChampionOutputs
from mlx_specs.references import used_services
from mlx_specs.resources import Version
from mlx_stacks.changes import id_of_urn
from mlx_stacks.errors import Blocked


@dataclass(frozen=True)
class Used:
    """What a model or an inference gets from a service as it was last applied."""

    id: str
    service: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Dropped:
    """Features that a live version reads and that its service would have no more."""

    service: str
    features: tuple[str, ...]
    model: str
    version: str
    endpoints: tuple[str, ...]

    def __str__(self) -> str:
        """What would be dropped, from which service, and who reads it."""
        what = f"feature {listing([repr(name) for name in self.features])}"
        serves = f", which {listing(self.endpoints)} {'serves' if len(self.endpoints) == 1 else 'serve'}" if self.endpoints else ""
        return f"{what} of service '{self.service}' would be dropped: Model/{self.model} version {self.version} (champion{serves}) reads it"


def refuse_dropped(steps: Sequence[Step], graph: Graph, root: Path) -> None:
    """Raises ``Blocked`` that names every such feature, with model, version and endpoint, and the way out."""
    used = [found for step in steps for found in _used(step)]
    if not used:
        return
    found = [one for step in steps if step.type == "mlx:index:Champion" for one in _dropped(step, used, graph, root)]
    if found:
        hint = f"keep it for now; list the features of Model/{found[0].model} without it and apply; once a version that does not read it is champion, drop it"
        raise Blocked("; ".join(map(str, found)), hint=hint)


def _used(step: Step) -> Iterator[Used]:
    """From a join or a lookup in state."""
    match step.type:
        case "mlx:index:JoinedDataset" if step.old_inputs:
            definitions = JoinedDatasetInputs.model_validate({"codeDigest": "", **step.old_inputs}).definitions
        case "mlx:index:ModelServer" if step.old_inputs.get("features"):
            lookup = ModelServerInputs.model_validate(step.old_inputs).features
            definitions = lookup.definitions if lookup is not None else FeatureDefinitions()
        case _:
            return
    for service in definitions.services:
        yield Used(id_of_urn(step.urn), service.name, tuple(name for names in service.views.values() for name in names))


def _dropped(champion: Step, used: Sequence[Used], graph: Graph, root: Path) -> Iterator[Dropped]:
    if not champion.old_outputs:
        return
    known = ChampionOutputs.model_validate(champion.old_outputs)
    node = graph.get(f"Model/{known.model}")
    if node is None or not known.current.exists:
        return
    reads, endpoints, services = _reads(known.current, root), _endpoints(known.model, graph), services_of(graph)
    lost: dict[str, set[str]] = {}
    for one in used:
        if one.id in (node.id, *endpoints):
            kept = _kept(one, graph, services)
            lost.setdefault(one.service, set()).update(name for name in one.features if name in reads and name not in kept)
    for service, names in sorted(lost.items()):
        if names:
            behind = tuple(one.id for one in used if one.id in endpoints and one.service == service) or tuple(sorted(endpoints))
            yield Dropped(service, tuple(sorted(names)), known.model, known.current.version, behind)


def _reads(version: Version, root: Path) -> Collection[str]:
    """The inputs of the packaged model; none where it is gone from this machine."""
    try:
        described: Mapping[str, Any] = json.loads((root / version.artifact / MODEL_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return {str(tensor["name"]) for tensor in described.get("inputs", ())}


def _endpoints(model: str, graph: Graph) -> list[str]:
    inferences = [node for node in graph.of_kind("Inference") if isinstance(node.object, Inference)]
    return [node.id for node in inferences if isinstance(node.object, Inference) and node.object.spec.model.partition("@")[0] == model]


def _kept(used: Used, graph: Graph, services: Mapping[str, Service]) -> Collection[str]:
    """What the service will have, and the one that the model or inference names now; one that asks for none gets its values otherwise."""
    node = graph.get(used.id)
    named = [name for _, name in used_services(node.object)] if node is not None else []
    if not named and (node is None or not isinstance(node.object, Model)):
        return used.features
    return {name for service in (used.service, *named) if service in services for name in services[service].features}
