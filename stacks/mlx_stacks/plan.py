"""A plan: what would change, object by object, and what that means. A frozen value that can be saved and applied later.

Enters: a workspace. Leaves: a Plan. Nothing is written: the host previews, and resources only read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from mlx_engine.host import OnEvent, Op, Result, Step
from mlx_pipelines.code import CODE, code_parts, explain_change
from mlx_specs import layout
from mlx_specs.digests import UNKNOWN_DIGEST, digest
from mlx_specs.graph import Graph
from mlx_specs.model_resources import ModelVersionOutputs
from mlx_stacks.changes import FieldChange, ObjectSteps, by_object, is_resource
from mlx_stacks.cluster_program import add_on_notes, pools_before, pools_now
from mlx_stacks.dropped import refuse_dropped
from mlx_stacks.effects import MEANINGS, Effect, meaning, strongest, together, top_level
from mlx_stacks.errors import UserError
from mlx_stacks.notes import notes
from mlx_stacks.outside_causes import outside_causes
from mlx_stacks.pool_costs import PoolRow
from mlx_stacks.program import program_of
from mlx_stacks.reached import changed_fields
from mlx_stacks.workspace import Workspace, open_host

FORMAT = 1
CAUSES = {
    "sourceDigest": "the source has other rows",
    "codeDigest": "the pipeline's code changed",
    "judgedBy": "its candidates are compared by another metric",
    "libraries": "library versions changed",
    "registryDigest": "its registry was changed by hand",
    "rows": "its online store lost rows",
    "pid": "its server is not running",
    "current": "its alias was moved by hand",
    "runId": "the registry lost its version",
    "requested": "asked for by mlx run",
}
"""Why a resource changes when nobody changed its object: by the input that differs."""
ON_DEMAND = ("mlx:index:FeatureRegistry", "mlx:index:JoinedDataset")
"""What has the code of on-demand functions among its inputs, not that of a pipeline."""


@dataclass(frozen=True)
class PlannedStep:
    """What an apply of this plan may do to one resource."""

    urn: str
    op: str
    inputs: str
    """Digest of the inputs with unknowns left out."""
    unknown: bool
    effect: str
    effect_text: str


@dataclass(frozen=True)
class ObjectChange:
    """One object of the graph and what happens to it."""

    id: str
    action: str
    """create, update, replace, delete or same"""
    changes: tuple[FieldChange, ...] = ()
    effect: str = ""
    effect_text: str = ""
    indirect: bool = False
    """Nobody changed it; something it depends on did."""
    because: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """Frozen, JSON. ``serial`` is the state that it was made against."""

    project: str
    environment: str
    serial: str
    objects: tuple[ObjectChange, ...]
    steps: tuple[PlannedStep, ...]
    requested: tuple[tuple[str, str], ...] = ()
    """Objects that `mlx run` asked to run, with the moment."""
    notes: tuple[str, ...] = ()
    """What stays as it is and should be known: a version that its gates hold back, an environment without specs."""
    pools: tuple[PoolRow, ...] = ()
    """Of a cluster: what each node pool holds and costs."""
    pools_before: tuple[PoolRow, ...] | None = None
    """As it was applied last; None where that is not known."""
    format: int = FORMAT

    @property
    def changed(self) -> tuple[ObjectChange, ...]:
        """The objects to which something happens."""
        return tuple(item for item in self.objects if item.action != "same")

    @property
    def summary(self) -> Mapping[str, int]:
        """How many objects to create, change, destroy, and how many models retrain."""
        actions = [item.action for item in self.objects]
        return {
            "create": actions.count("create"),
            "change": actions.count("update") + actions.count("replace"),
            "destroy": actions.count("delete"),
            "retrain": sum(item.effect == Effect.RETRAIN and item.id.startswith("Model/") for item in self.changed),
        }

    def to_json(self) -> str:
        """The plan as a file holds it."""
        return json.dumps({**asdict(self), "summary": dict(self.summary)}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Reads a saved plan; raises ``UserError`` when it is none."""
        try:
            plan = TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            raise UserError("this is not a plan", hint="make one: mlx plan --out plan.json") from error
        if plan.format != FORMAT:
            raise UserError(f"this plan has format {plan.format}, not {FORMAT}", hint="make a new one: mlx plan --out plan.json")
        return plan


def make_plan(workspace: Workspace, on_event: OnEvent, *, run: Mapping[str, str] | None = None) -> Plan:
    """Previews the program and says what its steps mean; raises ``Blocked`` where a feature would be dropped that a live version reads."""
    requested = dict(run or {})
    result = open_host(workspace).preview(program_of(workspace, requested), on_event)
    refuse_dropped(result.steps, workspace.graph, workspace.root)
    return describe(workspace, result, requested)


def describe(workspace: Workspace, result: Result, requested: Mapping[str, str]) -> Plan:
    """The plan that a preview's result amounts to."""
    grouped = by_object(result.steps)
    objects = [_object_change(item, workspace.root) for item in grouped]
    steps = tuple(_planned(step, workspace.root) for step in result.steps if step.op is not Op.SAME)
    return Plan(
        workspace.project,
        workspace.name,
        result.serial,
        _with_causes(objects, grouped, workspace.graph, workspace.root),
        steps,
        tuple(sorted(requested.items())),
        (*notes(workspace, result.steps), *(add_on_notes(workspace, workspace.cluster) if workspace.cluster is not None else ())),
        *_pools(workspace, grouped),
    )


def _pools(workspace: Workspace, grouped: tuple[ObjectSteps, ...]) -> tuple[tuple[PoolRow, ...], tuple[PoolRow, ...] | None]:
    if workspace.cluster is None:
        return (), None
    before: Mapping[str, Any] = grouped[0].component.old_inputs.get("spec") or {} if grouped else {}
    return pools_now(workspace, workspace.cluster), pools_before(workspace, workspace.cluster, before)


def input_digest(step: Step) -> str:
    """Digest of a step's new inputs, unknowns left out, so that a plan and its apply can be compared."""
    return digest(_known(dict(step.new_inputs)))


def _planned(step: Step, root: Path) -> PlannedStep:
    effect, text = meaning(step, root) if is_resource(step.type) else ("", "")
    return PlannedStep(step.urn, step.op, input_digest(step), _known(dict(step.new_inputs)) != dict(step.new_inputs), effect, text)


def _object_change(item: ObjectSteps, root: Path) -> ObjectChange:
    changes = changed_fields(item) if item.component.op in (Op.UPDATE, Op.SAME) else ()
    meanings = [meaning(step, root) for step in item.children]
    outside = all(step.type not in MEANINGS for step in item.children)
    chosen = together(meanings) if outside else strongest(meanings)
    effect, text = chosen or (Effect.METADATA, "metadata only") if changes or item.children else ("", "")
    if not item.children and changes:
        text = "metadata only, no retrain" if item.id.startswith("Model/") else "metadata only"
    if not item.children and item.component.op is Op.CREATE:
        text = "recorded: nothing of its own runs for it here"
    return ObjectChange(item.id, _action(item), changes, effect, text, indirect=not changes and _action(item) in ("update", "replace"), note=_note(item))


def _action(item: ObjectSteps) -> str:
    match item.component.op:
        case Op.CREATE:
            return "create"
        case Op.DELETE:
            return "delete"
        case Op.UPDATE:
            return "update"
        case _:
            return "update" if item.children else "same"


def _note(item: ObjectSteps) -> str:
    if item.component.new_inputs.get("waitsFor"):
        return f"waits for {item.component.new_inputs['waitsFor']}"
    reasons = [str(step.new_inputs["reason"]) for step in item.children if step.type == "mlx:index:Declared" and step.new_inputs.get("reason")]
    return f"declared, not run: {reasons[0]}" if reasons else ""


def _with_causes(objects: list[ObjectChange], grouped: tuple[ObjectSteps, ...], graph: Graph, root: Path) -> tuple[ObjectChange, ...]:
    """Adds to each indirect change what it follows from: its own resources' causes, then changed objects it refers to."""
    changed = {item.id for item in objects if item.action != "same"}
    moving = {item.id for item, steps in zip(objects, grouped, strict=True) if item.id in changed and _moves_others(item, steps)}
    explained: list[ObjectChange] = []
    for item, steps in zip(objects, grouped, strict=True):
        own = sorted({cause for step in steps.children for name in top_level(step) if name in CAUSES for cause in _causes(name, step, root)})
        node = graph.get(item.id)
        follows = [f"follows {reference}" for reference in (node.references if node else ()) if reference in moving]
        because = own + follows
        if item.indirect and not because:
            because = _weaker_causes(item.id, steps, graph, changed)
        explained.append(replace(item, because=tuple(because) if item.indirect or own else ()))
    return tuple(explained)


def _moves_others(item: ObjectChange, steps: ObjectSteps) -> bool:
    """Whether what refers to the object may change with it: a gate that is judged again is no change of the model, but may move its alias."""
    judged = any(step.type == "mlx:index:Champion" and not top_level(step) <= {"about"} for step in steps.children)
    return item.effect != Effect.METADATA or judged


def _weaker_causes(id: str, steps: ObjectSteps, graph: Graph, changed: set[str]) -> list[str]:
    """For a change without a strong cause: the nearest changed objects that it leads to, or else what its resources lack."""
    seen, layer = {id}, [id]
    while layer:
        nodes = [node for node in map(graph.get, layer) if node]
        layer = sorted({reference for node in nodes for reference in node.references} - seen)
        found = [f"follows {reference}" for reference in layer if reference in changed]
        if found:
            return found
        seen |= set(layer)
    return outside_causes(steps, changed)


def _causes(name: str, step: Step, root: Path) -> Sequence[str]:
    """The words for an input that differs; for the code of a trained version, the functions that changed."""
    if name == "codeDigest" and step.type in ON_DEMAND:
        return ["the code of its on-demand functions changed"]
    if name != "codeDigest" or step.type != "mlx:index:ModelVersion" or step.op is Op.CREATE:
        return [CAUSES[name]]
    old = ModelVersionOutputs.model_validate({**step.old_inputs, **step.old_outputs})
    trained = root / layout.run(old.home, old.model, old.fingerprint) / CODE
    if not trained.is_file():
        return [CAUSES[name]]
    new = ModelVersionOutputs.model_validate(step.new_inputs)
    return explain_change(json.loads(trained.read_text()), code_parts(new.entry, root, *new.algorithms)) or [CAUSES[name]]


def _known(value: Any) -> Any:
    """The same value without what is not known yet."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in cast("dict[str, Any]", value).items() if item != UNKNOWN_DIGEST}
    if isinstance(value, list | tuple):
        return [_known(item) for item in cast("list[Any]", value)]
    return value
