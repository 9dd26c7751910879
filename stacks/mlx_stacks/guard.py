"""Keeps an apply to its plan: stops before the first step that differs, or that means more than was shown."""

from pathlib import Path

from mlx_engine.host import Guard, Op, Refused, Step
from mlx_stacks.changes import id_of_urn, is_resource
from mlx_stacks.effects import DELETES, STRENGTH, Effect, meaning
from mlx_stacks.plan import Plan, PlannedStep, input_digest

PARTS_OF_A_REPLACEMENT = {Op.CREATE_REPLACEMENT: Op.REPLACE, Op.DELETE_REPLACED: Op.REPLACE}
HARMLESS = (Op.SAME, Op.READ, Op.REFRESH)
WEAKER = {Op.REPLACE: (Op.UPDATE,), Op.CREATE: (), Op.UPDATE: (), Op.DELETE: ()}
"""What may come out of an operation that was planned while something was unknown."""


def guard(plan: Plan, root: Path) -> Guard:
    """A guard that refuses every step which the plan did not show for the workspace at ``root``."""
    planned = _one_each(plan.steps)

    def check(step: Step) -> None:
        if step.op in HARMLESS:
            return
        shown = planned.get(step.urn)
        if shown is None:
            raise Refused(f"{id_of_urn(step.urn) or step.urn}: {step.op} is not in the plan", hint="something changed since; plan again")
        _check_operation(step, shown)
        _check_effect(step, shown, root)

    return check


def _one_each(steps: tuple[PlannedStep, ...]) -> dict[str, PlannedStep]:
    chosen: dict[str, PlannedStep] = {}
    for step in steps:
        if step.urn not in chosen or step.op == Op.REPLACE:
            chosen[step.urn] = step
    return chosen


def _check_operation(step: Step, shown: PlannedStep) -> None:
    operation = PARTS_OF_A_REPLACEMENT.get(step.op, step.op)
    allowed = {shown.op, *(WEAKER.get(Op(shown.op), ()) if shown.unknown else ())} | {PARTS_OF_A_REPLACEMENT.get(Op(shown.op), shown.op)}
    if operation not in allowed:
        raise Refused(f"{id_of_urn(step.urn)}: the plan shows {shown.op}, it would now be {operation}", hint="something changed since; plan again")
    if operation == shown.op and step.op not in DELETES and not shown.unknown and input_digest(step) != shown.inputs:
        raise Refused(f"{id_of_urn(step.urn)}: its inputs are not those of the plan", hint="something changed since; plan again")


def _check_effect(step: Step, shown: PlannedStep, root: Path) -> None:
    if not shown.effect or not is_resource(step.type):
        return
    effect, text = meaning(step, root)
    if STRENGTH[effect] > STRENGTH[Effect(shown.effect)]:
        raise Refused(f"{id_of_urn(step.urn)}: the plan shows {shown.effect_text!r}, it would now be {text!r}", hint="plan again, and look at it again")
