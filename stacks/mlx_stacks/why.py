"""Why an object is as it is: a tree of what it depends on, ONE cause among all that is wrong there, and what it was made of. Reads only."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlx_specs.dataset_resources import PreparedDatasetOutputs
from mlx_specs.diagnostics import plural
from mlx_specs.feature_resources import FeatureRegistryOutputs
from mlx_specs.inference_resources import BatchPredictionsOutputs, ModelServerOutputs
from mlx_specs.model_resources import ChampionOutputs, ModelVersionOutputs
from mlx_specs.pipeline_resources import CompiledPipelineOutputs, TrainingRunOutputs
from mlx_stacks.cluster_cause import Cause, Link
from mlx_stacks.faults import Fault, Found, Rank, find_faults
from mlx_stacks.status import ObjectStatus, Values
from mlx_stacks.workspace import Workspace


@dataclass(frozen=True)
class Branch:
    """One object, how it is, and what it depends on; an object that many depend on is told in full where it comes first."""

    id: str
    status: str
    detail: str
    well: bool
    is_cause: bool
    children: tuple["Branch", ...] = ()
    told_above: bool = False


@dataclass(frozen=True)
class Origin:
    """One link of what an object was made of, the first thing first."""

    id: str
    text: str


@dataclass(frozen=True)
class Why:
    """The answer. ``cause`` is None where nothing is wrong."""

    object: str
    environment: str
    tree: Branch
    cause: Fault | None
    others: tuple[Fault, ...]
    """What else is wrong with the object or below it."""
    lineage: tuple[Origin, ...]


def why(workspace: Workspace, id: str) -> Why:
    """The answer for one object, by its id; it may be one that is in state only."""
    found = find_faults(workspace)
    below = list(_below(workspace, id, found))
    faults = sorted((fault for fault in found.faults if fault.object in ("", *below)), key=lambda fault: _nearness(fault, below))
    faults = [fault if fault.object else _as_of(id, fault) for fault in faults]
    cause = faults[0] if faults else None
    tree = _branch(workspace, id, found, cause, set())
    return Why(id, workspace.name, tree, cause, tuple(faults[1:]), tuple(_lineage(found.recorded, below, found.statuses)))


def _references(workspace: Workspace, id: str, found: Found) -> list[str]:
    """What an object depends on; not what a release has no need of, such as the pipeline of a model that is not trained here."""
    node = workspace.graph.get(id)
    named = [one for one in (node.references if node else ()) if not one.startswith("Environment/")]
    return [one for one in named if workspace.released is None or workspace.graph.get(one) or one in found.statuses]


def _below(workspace: Workspace, id: str, found: Found) -> Iterator[str]:
    """The object and all that it depends on: what comes first in the graph's order comes first here."""
    wanted, todo = {id}, [id]
    while todo:
        new = set(_references(workspace, todo.pop(), found)) - wanted
        wanted |= new
        todo += new
    known = [node.id for node in workspace.graph.objects if node.id in wanted]
    yield from known
    yield from sorted(wanted - set(known))


def _nearness(fault: Fault, below: list[str]) -> tuple[int, int]:
    """The cause first: by rank. What failed first stands deepest; of what is broken by itself the nearest explains most."""
    depth = below.index(fault.object) if fault.object in below else len(below)
    return (fault.rank, -depth if fault.rank in (Rank.BROKEN, Rank.NOT_RUN) else depth)


def _as_of(id: str, fault: Fault) -> Fault:
    """A fault of the whole environment, told of the object that was asked for."""
    return Fault(id, fault.rank, fault.reason, fault.fix, fault.urn)


def _branch(workspace: Workspace, id: str, found: Found, cause: Fault | None, told: set[str]) -> Branch:
    item = found.statuses.get(id) or ObjectStatus(id, "Unknown", "it is neither declared nor applied")
    first = next((fault for fault in found.faults if fault.object == id), None)
    is_cause = cause is not None and cause.object == id
    if id in told:
        return Branch(id, item.status, "", first is None, is_cause, told_above=True)
    told.add(id)
    children = tuple(_branch(workspace, one, found, cause, told) for one in _references(workspace, id, found))
    made = Cause.read(item.fields)
    chain = _chain(made.chain, is_cause=is_cause) if made else ()
    return Branch(id, item.status, item.detail, first is None, is_cause and not chain, (*chain, *children))


def _chain(links: Sequence[Link], *, is_cause: bool) -> tuple[Branch, ...]:
    """What the object is made of on a cluster, down to what is wrong."""
    if not links:
        return ()
    first, *rest = links
    below = _chain(rest, is_cause=is_cause)
    return (Branch(first.id, first.status, first.detail, well=False, is_cause=is_cause and not rest, children=below),)


def _lineage(recorded: Mapping[str, Mapping[str, Values]], below: list[str], statuses: Mapping[str, ObjectStatus]) -> Iterator[Origin]:
    """From the data to what was asked for: digests, runs and versions, as far as they were made."""
    for id in below:
        for type, values in recorded.get(id, {}).items():
            text = LINEAGE[type](values) if type in LINEAGE else ""
            if text:
                yield Origin(id, text)


def _dataset(values: Values) -> str:
    made = PreparedDatasetOutputs.model_validate(values)
    return f"data {made.content_digest[:12]}, {plural(made.rows, 'row')}"


def _features(values: Values) -> str:
    return f"features {FeatureRegistryOutputs.model_validate(values).registry_digest[:12]}"


def _pipeline(values: Values) -> str:
    made = CompiledPipelineOutputs.model_validate(values)
    return f"code {made.code_digest[:12]}, compiled {made.ir_digest[:12]}"


def _version(values: Values) -> str:
    made = ModelVersionOutputs.model_validate(values)
    made_of = f"version {made.version} of data {made.data.digest[:12]}, fingerprint {made.fingerprint[:12]}"
    return f"{made_of}, run {made.run_id[:12]}, artifact {made.artifact_digest[:12]}"


def _run(values: Values) -> str:
    made = TrainingRunOutputs.model_validate(values)
    return f"asked of fingerprint {made.fingerprint[:12]}, run {made.run_id[:12]} of pipeline version {made.run.pipeline_version}"


def _champion(values: Values) -> str:
    made = ChampionOutputs.model_validate(values)
    return f"{made.alias} is version {made.current.version}" if made.current.exists else f"no {made.alias} yet"


def _server(values: Values) -> str:
    made = ModelServerOutputs.model_validate(values)
    return f"{made.url} serves version {made.version.version}, artifact {made.version.artifact_digest[:12]}" if made.version.exists else ""


def _batch(values: Values) -> str:
    made = BatchPredictionsOutputs.model_validate(values)
    return f"{made.rows:,} predictions by version {made.version.version} of data {made.input.digest[:12]}" if made.path else ""


LINEAGE: Mapping[str, Callable[[Values], str]] = {
    "PreparedDataset": _dataset,
    "FeatureRegistry": _features,
    "CompiledPipeline": _pipeline,
    "ModelVersion": _version,
    "TrainingRun": _run,
    "Champion": _champion,
    "ModelServer": _server,
    "BatchPredictions": _batch,
}
