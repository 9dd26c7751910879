"""An apply keeps to its plan: what is refused, and what may come out weaker than was shown."""

from pathlib import Path

import pytest

from mlx_engine.host import UNKNOWN, Guard, Op, Refused, Step
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.resources import PreparedData
from mlx_stacks.guard import guard
from mlx_stacks.plan import Plan, PlannedStep, input_digest

URN = "urn:pulumi:local::flights::mlx:components:Model$mlx:index:ModelVersion::delay"


MADE_OF = ModelVersionInputs(
    model="delay", task="classification", entry="e:p", data=PreparedData(name="d", digest="x", path="p"), target="late", split={}, algorithm="a.B",
    home=".mlx/local", ir="i",
).wire()  # fmt: skip


def step(op: Op, *changed: str, **inputs: object) -> Step:
    return Step(op, URN, "mlx:index:ModelVersion", "delay", custom=True, changed=changed, new_inputs={**MADE_OF, **inputs})


def plan(*steps: PlannedStep) -> Plan:
    return Plan("flights", "local", "serial", (), steps)


def guard_of(made: Plan) -> Guard:
    return guard(made, Path("no-workspace"))


def shown(done: Step, effect: str, *, unknown: bool = False) -> PlannedStep:
    return PlannedStep(done.urn, done.op, input_digest(done), unknown, effect, effect)


RETRAIN = step(Op.REPLACE, "fingerprint", fingerprint="b", seed=1)


def test_the_step_that_was_shown_passes_with_all_parts_of_its_replacement() -> None:
    check = guard_of(plan(shown(RETRAIN, "retrain")))
    for op in (Op.CREATE_REPLACEMENT, Op.REPLACE, Op.DELETE_REPLACED):
        check(step(op, "fingerprint", fingerprint="b", seed=1))


def test_a_step_that_is_not_in_the_plan_is_refused() -> None:
    with pytest.raises(Refused, match=r"Model/delay: update is not in the plan"):
        guard_of(plan())(step(Op.UPDATE, "about"))


def test_other_inputs_than_those_shown_are_refused() -> None:
    with pytest.raises(Refused, match=r"Model/delay: its inputs are not those of the plan"):
        guard_of(plan(shown(RETRAIN, "retrain")))(step(Op.REPLACE, "fingerprint", fingerprint="c", seed=2))


def test_a_replacement_planned_with_an_unknown_may_come_out_as_nothing_or_as_an_update() -> None:
    unknown = step(Op.REPLACE, "fingerprint", fingerprint=UNKNOWN, seed=1)
    check = guard_of(plan(shown(unknown, "retrain", unknown=True)))
    check(step(Op.SAME, fingerprint="a", seed=1))
    check(step(Op.UPDATE, "about", fingerprint="a", seed=1))
    check(step(Op.REPLACE, "fingerprint", fingerprint="b", seed=1))


def test_a_stronger_effect_than_was_shown_is_refused() -> None:
    update = step(Op.UPDATE, "package", package="onnx")
    stronger = Step(Op.UPDATE, URN, "mlx:index:ModelVersion", "delay", custom=True, changed=("fingerprint",), new_inputs=update.new_inputs)
    with pytest.raises(Refused, match="the plan shows 'redeploy', it would now be 'retrain'"):
        guard_of(plan(shown(update, "redeploy")))(stronger)
