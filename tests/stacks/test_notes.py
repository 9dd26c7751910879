"""What a plan says besides its changes."""

import json
from pathlib import Path

import pulumi
import pytest

from mlx_engine.embedded import embedded_host
from mlx_engine.host import Event, Op, Options, Step
from mlx_engine.state.checkpoint import salt_of
from mlx_stacks.apply import apply, first_secret_note
from mlx_stacks.errors import UserError
from mlx_stacks.notes import notes
from mlx_stacks.plan import Plan, make_plan
from mlx_stacks.workspace import open_workspace

CHAMPION = "urn:pulumi:local::tiny::mlx:components:Model$mlx:index:Champion::delay@champion"
VERDICT = {"candidate": {"version": "2"}, "current": {"version": "1"}, "passed": False, "reasons": ["roc_auc 0.71 is below 0.75"]}
HELD_BACK = "Model/delay: version 2 stays a challenger: roc_auc 0.71 is below 0.75; version 1 stays champion"


def unheard(event: Event) -> None:
    """Nobody watches."""


def champion(op: Op, *changed: str, **verdict: object) -> Step:
    outputs = {**VERDICT, **verdict}
    return Step(op, CHAMPION, "mlx:index:Champion", "delay@champion", custom=True, changed=changed, old_outputs=outputs, new_outputs=outputs)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (champion(Op.SAME), (HELD_BACK,)),
        (champion(Op.UPDATE, "about.owner"), (HELD_BACK,)),
        (champion(Op.SAME, current={"version": ""}), (HELD_BACK.replace("version 1 stays champion", "there is no champion yet"),)),
        (champion(Op.SAME, passed=True), ()),
        (champion(Op.UPDATE, "success"), ()),
        (champion(Op.DELETE), ()),
    ],
)
def test_a_version_that_its_gates_hold_back_is_not_forgotten(tiny: Path, step: Step, said: tuple[str, ...]) -> None:
    assert notes(open_workspace(tiny), [step]) == said


def test_without_specs_the_plan_is_empty_and_says_why_or_removes_what_there_is(tiny: Path) -> None:
    specs = tiny / "specs" / "rows.yaml"
    text = specs.read_text()
    specs.unlink()
    plan = make_plan(open_workspace(tiny), unheard)
    nothing = (
        "no specs in specs/ for environment local: nothing to do; "
        "write some (mlx schema Dataset shows the fields), or look at an example: mlx init NEW-FOLDER --template flights"
    )
    assert (plan.objects, plan.notes) == ((), (nothing,))
    specs.write_text(text)
    apply(open_workspace(tiny), make_plan(open_workspace(tiny), unheard), unheard)
    specs.unlink()
    plan = make_plan(open_workspace(tiny), unheard)
    assert [(item.id, item.action) for item in plan.changed] == [("Dataset/rows", "delete")]
    assert plan.notes == ("no specs in specs/ for environment local: all that was applied is removed",)


def test_a_plan_that_was_saved_without_notes_is_still_read(tiny: Path) -> None:
    saved = json.loads(make_plan(open_workspace(tiny), unheard).to_json())
    del saved["notes"]
    assert Plan.from_json(json.dumps(saved)).notes == ()
    with pytest.raises(UserError):
        Plan.from_json("{}")


def test_the_first_secret_under_an_empty_passphrase_is_told_once(tiny: Path) -> None:
    stack = open_workspace(tiny).stack
    host = embedded_host(stack, Options(), {})

    def salt() -> str:
        return salt_of(host.export_state()["deployment"])

    def with_a_secret() -> None:
        pulumi.export("token", pulumi.Output.secret("s3cret"))

    before = salt()
    host.up(with_a_secret, unheard)
    (said,) = first_secret_note(stack, before, salt())
    assert said.startswith("the secrets of local are encrypted with an empty passphrase")
    host.up(with_a_secret, unheard)
    assert first_secret_note(stack, salt(), salt()) == ()
    assert first_secret_note(open_workspace(tiny).stack, "", "") == ()
