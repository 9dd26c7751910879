"""Everything that a person reads of a plan, an update, a status or a history stands in goldens/."""

import json
from collections.abc import Callable, Iterator, Sequence
from io import StringIO

import pytest

from mlx_cli.boundary import StoppedHalfway
from mlx_cli.checks import Check
from mlx_cli.failures import sentences
from mlx_cli.output import PLAIN, Paint, columns, duration, short, shown, shown_change
from mlx_cli.progress import Narrator, PlainScreen, Progress
from mlx_cli.render.features import age_text
from mlx_cli.render.outcome import render_applied, render_checks, render_destroyed, render_drift, render_history, render_removal, render_status
from mlx_cli.render.plan import render_plan
from mlx_engine.host import Event, EventKind, Interrupted, Op, Result, Step, Update
from mlx_stacks.apply import Applied, Drifted
from mlx_stacks.changes import FieldChange
from mlx_stacks.plan import ObjectChange, Plan
from mlx_stacks.status import ObjectStatus

Golden = Callable[[str, str], None]


def plan(*objects: ObjectChange) -> Plan:
    return Plan("flights", "local", "", objects, ())


FIRST = plan(
    ObjectChange("Dataset/flights", "create", effect="replace data", effect_text="prepare"),
    ObjectChange("Pipeline/tabular", "create", effect="redeploy", effect_text="compile"),
    ObjectChange("Model/delay", "create", effect="retrain", effect_text="train"),
    ObjectChange("Inference/delay-api", "create", effect="redeploy", effect_text="start the endpoint"),
    ObjectChange("Monitor/delay-watch", "create", effect="metadata only", effect_text="waits for mlx monitor run"),
    ObjectChange(
        "Notebook/explore", "create", effect="metadata only", effect_text="no retrain, no restart", note="declared, not run: notebooks do not start yet"
    ),
)
SECOND = plan(
    ObjectChange("Dataset/flights", "same"),
    ObjectChange(
        "Model/delay",
        "update",
        changes=(FieldChange("parameters.max_depth", 6, 8), FieldChange("parameters.l2", None, 0.5), FieldChange("parameters.warm", True, None)),
        effect="retrain",
        effect_text="retrain",
    ),
    ObjectChange(
        "Inference/delay-api",
        "update",
        effect="redeploy",
        effect_text="switch if the new version passes, no restart",
        indirect=True,
        because=("follows Model/delay",),
    ),
    ObjectChange(
        "Monitor/delay-watch", "update", changes=(FieldChange("dataDrift.threshold", 0.2, 0.1),), effect="metadata only", effect_text="no retrain, no restart"
    ),
    ObjectChange("Dataset/old", "delete", effect="replace data", effect_text="the prepared rows are deleted"),
)
LONG = plan(
    ObjectChange(
        "Dataset/flights",
        "update",
        changes=(FieldChange("prepare[0].sql", "select *\nfrom flights " * 9, "select 1"),),
        effect="replace data",
        effect_text="prepare again",
    )
)
CHECKS = [{"type": "rows", "min": 1000, "name": "enough"}, {"type": "unique", "columns": ["id"]}]
MANY = plan(
    ObjectChange(
        "Model/delay",
        "update",
        changes=(FieldChange("checks[0].note", "a long note that ends in one", "a long note that ends in two"), FieldChange("checks[2]", None, CHECKS[1])),
        effect="retrain",
        effect_text="retrain",
        because=tuple(f"step_{number} in steps.py changed" for number in range(50)),
    ),
    ObjectChange(
        "Monitor/watch",
        "update",
        changes=(FieldChange(f"a.{'very.' * 12}long.path.to.a.value", CHECKS, [*CHECKS[:1], {"type": "unique", "columns": ["key"]}]),),
        effect="metadata only",
        effect_text="no retrain, no restart",
        because=tuple(f"_accepted_{'x' * 40}_{number} in mlx/steps.py is gone" for number in range(4)),
    ),
)


@pytest.mark.parametrize(
    ("name", "value"), [("first", FIRST), ("second", SECOND), ("same", plan(ObjectChange("Dataset/flights", "same"))), ("long", LONG), ("many", MANY)]
)
def test_a_plan_reads_as_recorded(name: str, value: Plan, golden: Golden) -> None:
    golden(f"plan-{name}.txt", render_plan(value) + "\n")


def test_colours_change_no_letter_of_a_plan() -> None:
    coloured = render_plan(SECOND, Paint(enabled=True))
    plain = coloured
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert coloured != plain == render_plan(SECOND, PLAIN)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (6, 8, "6 -> 8"),
        (8, "8", '8 -> "8"'),
        ("select 1", "select 1\n", '"select 1" -> "select 1\\n"'),
        ("a" * 60 + "1", "a" * 60 + "2", "…aaaaaaaaaa1 -> …aaaaaaaaaa2"),
        ("a" * 60, "a" * 70, "…aaaaaaaaaa -> …aaaaaaaaaaaaaaaaaaaa"),
        ("b" + "a" * 60, "c" + "a" * 60, f"b{'a' * 38}… -> c{'a' * 38}…"),
    ],
)
def test_a_change_shows_where_two_values_differ(old: object, new: object, text: str) -> None:
    assert shown_change(old, new) == text


def urn(kind: str, type: str, name: str) -> str:
    return f"urn:pulumi:local::flights::mlx:components:{kind}$mlx:index:{type}::{name}"


def step(op: Op, kind: str, type: str, name: str) -> Step:
    return Step(op, urn(kind, type, name), f"mlx:index:{type}", name, custom=True)


def ticks() -> Callable[[], float]:
    """A clock that moves 1.5 seconds at each look."""
    moments: Iterator[float] = (1.5 * number for number in range(1000))
    return lambda: next(moments)


def told(events: Sequence[Event]) -> str:
    stream = StringIO()
    progress = Progress(PlainScreen(stream, PLAIN), Narrator(ticks()))
    for event in events:
        progress(event)
    return stream.getvalue()


def test_progress_reads_as_recorded(golden: Golden) -> None:
    train, serve = step(Op.CREATE_REPLACEMENT, "Model", "ModelVersion", "delay"), step(Op.UPDATE, "Inference", "ModelServer", "delay-api")
    judge, old = step(Op.CREATE, "Model", "Champion", "delay@champion"), step(Op.DELETE, "Dataset", "PreparedDataset", "old")
    stack = Step(Op.CREATE, "urn:pulumi:local::flights::pulumi:pulumi:Stack::flights-local", "pulumi:pulumi:Stack", "flights-local", custom=False)
    events = [
        Event(EventKind.WAITING, message="waiting for the update of ann@host (pid 12, 3 minutes ago)"),
        Event(EventKind.STARTED, stack),
        Event(EventKind.STARTED, Step(Op.CREATE, "urn:pulumi:local::flights::pulumi:providers:mlx::default", "pulumi:providers:mlx", "default", custom=True)),
        Event(EventKind.STARTED, train),
        Event(EventKind.LOG, urn=train.urn, message="step 3/8 train", ephemeral=True),
        Event(EventKind.DONE, train),
        Event(EventKind.STARTED, step(Op.REPLACE, "Model", "ModelVersion", "delay")),
        Event(EventKind.STARTED, step(Op.DELETE_REPLACED, "Model", "ModelVersion", "delay")),
        Event(EventKind.STARTED, judge),
        Event(EventKind.DONE, judge),
        Event(EventKind.STARTED, serve),
        Event(EventKind.FAILED, serve, message="port 8080 is taken\n  hint: choose another, or leave it out"),
        Event(EventKind.STARTED, old),
        Event(EventKind.DONE, old),
        Event(EventKind.STARTED, step(Op.SAME, "Pipeline", "CompiledPipeline", "tabular")),
    ]
    golden("progress.txt", told(events))


def fail_after(error: BaseException, *done: Step) -> None:
    """What the engine raises after it has done some steps."""
    with Progress(PlainScreen(StringIO(), PLAIN), Narrator(ticks())) as progress:
        for item in done:
            progress(Event(EventKind.STARTED, item))
            progress(Event(EventKind.DONE, item))
        raise error


TRAIN = step(Op.CREATE, "Model", "ModelVersion", "delay")


def test_what_was_done_before_a_failure_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"):
        fail_after(ValueError("no"), TRAIN)
    assert capsys.readouterr().err == "already done: Model/delay train; the next mlx apply goes on from there\n"


@pytest.mark.parametrize("interrupt", [Interrupted("interrupted after 1 step"), KeyboardInterrupt()], ids=["in good order", "at once"])
def test_an_interruption_is_one_line_of_what_is_done_and_what_comes_next(interrupt: BaseException) -> None:
    with pytest.raises(StoppedHalfway, match=r"interrupted: already done: Model/delay train$") as stopped:
        fail_after(interrupt, TRAIN)
    assert stopped.value.hint == "run it again: it goes on from there"
    with pytest.raises(StoppedHalfway, match=r"interrupted: nothing was finished by then$"):
        fail_after(interrupt)
    many = [step(Op.CREATE, "Model", "ModelVersion", f"m{number}") for number in range(14)]
    with pytest.raises(StoppedHalfway, match=r"already done: Model/m2 train, .*, Model/m13 train and 2 before$"):
        fail_after(interrupt, *many)


def test_an_outcome_reads_as_recorded(golden: Golden) -> None:
    steps = (
        step(Op.CREATE, "Model", "ModelVersion", "delay"),
        step(Op.UPDATE, "Inference", "ModelServer", "delay-api"),
        step(Op.SAME, "Dataset", "PreparedDataset", "flights"),
    )
    waiting = ("Inference/other-api: WaitingForModel(other@champion)",)
    blocked = ("Model/delay: version 3 stays a challenger: roc_auc 0.61 is below 0.65",)
    golden("applied.txt", render_applied(Applied(steps, blocked, waiting, 75.2)) + "\n")
    removed = Result([step(Op.DELETE, "Model", "ModelVersion", "delay"), step(Op.DELETE, "Model", "Champion", "delay@champion")], duration=0.42)
    golden("destroyed.txt", f"{render_removal('local', removed)}\n\n{render_destroyed(removed)}\n")


def test_a_status_reads_as_recorded(golden: Golden) -> None:
    objects = [
        ObjectStatus("Dataset/flights", "Ready", "336,776 rows"),
        ObjectStatus("Model/delay", "Challenger", "version 2 did not pass: roc_auc 0.61 is below 0.65; version 1 stays champion"),
        ObjectStatus("Inference/delay-api", "WaitingForModel(delay@champion)", "http://127.0.0.1:8080"),
        ObjectStatus("Notebook/explore", "Declared", "notebooks do not start yet"),
    ]
    golden("status.txt", render_status(objects) + "\n")


def test_a_history_reads_as_recorded(golden: Golden) -> None:
    updates = [
        Update("destroy", "succeeded", 1_700_000_100.0, 1_700_000_101.5, "mlx destroy", {"delete": 9}, {}),
        Update("update", "succeeded", 1_700_000_090.0, 1_700_000_092.0, "mlx run delay-nightly", {"update": 2, "same": 8}, by_ann("update", 1)),
        Update("refresh", "succeeded", 1_700_000_080.0, 1_700_000_081.0, "mlx refresh", {"delete": 1, "same": 9}, by_ann("delete", 1)),
        Update("update", "failed", 1_700_000_000.0, 1_700_000_075.0, "mlx apply", {"create": 7, "same": 2}, by_ann("create", 3)),
    ]
    golden("history.txt", "\n\n".join(render_history(some, "local") for some in (updates, updates[:1], [])) + "\n")


def by_ann(operation: str, count: int) -> dict[str, str]:
    """What the embedded host writes beside Pulumi's own counts."""
    return {"exec.user": "ann", "exec.host": "laptop", "exec.resources": json.dumps({operation: count, "same": 1})}


def test_objects_in_a_cluster_are_told_by_their_kind_and_name() -> None:
    parent = "urn:pulumi:dev::flights::mlx:components:Environment"
    made = Step(Op.CREATE, f"{parent}$kubernetes:core/v1:ServiceAccount::dev/mlx-run", "kubernetes:core/v1:ServiceAccount", "dev/mlx-run", custom=True)
    served = "urn:pulumi:dev::flights::mlx:components:Inference$kubernetes:serving.kserve.io/v1beta1:InferenceService::delay-api/delay-api"
    events = [
        Event(EventKind.STARTED, step=made, urn=made.urn),
        Event(EventKind.DONE, step=made, urn=made.urn),
        Event(EventKind.LOG, urn=served, message="no controller has answered"),
    ]
    assert told(events).splitlines() == [
        "  + Environment/dev          create ServiceAccount mlx-run",
        "  + Environment/dev          create ServiceAccount mlx-run: done in 1.5 s",
        "    Inference/delay-api      InferenceService delay-api: no controller has answered",
    ]


def test_what_was_done_several_times_is_told_once() -> None:
    done = ["Environment/dev create Role", "Environment/dev create RoleBinding", "Environment/dev create Role"]
    assert Narrator(done=done).so_far() == "already done: Environment/dev create Role (2), Environment/dev create RoleBinding"


def test_digests_are_short_and_a_path_still_leads_to_its_file() -> None:
    digest = "a771afa7225df9134b9a71debb3c60a1468db1e929472e6258fc63efffbb1418"
    assert short(f"version {digest} in .mlx/{digest}/data.parquet") == "version a771afa7225d in .mlx/a771afa7225d*/data.parquet"
    assert short(f"{digest}0") == f"{digest}0"


def test_drift_reads_as_recorded(golden: Golden) -> None:
    moved = (FieldChange("current.version", "2", "1"), FieldChange("passed", True, False))
    drifted = [Drifted("Inference/delay-api", True, (), "Stopped", "the server is not running"), Drifted("Model/delay", False, moved)]
    golden("drift.txt", "\n\n".join([*map(render_drift, (drifted, drifted[:1], [])), render_drift([], applied=False)]) + "\n")


def test_checks_read_as_recorded(golden: Golden) -> None:
    golden("checks.txt", render_checks([Check("python", True, "3.11.7"), Check("disk", False, "0.1 GiB free", "make room: at least 2 GiB")]) + "\n")


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (125, "2 min 5 s")])
def test_a_duration_is_as_exact_as_it_matters(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_columns_line_up_and_long_values_are_cut() -> None:
    assert columns([("a", "bb"), ("ccc", "d")], indent=" ", header=("X", "Y")) == " X    Y\n a    bb\n ccc  d"
    assert columns([]) == ""
    assert (shown("x" * 50), shown({"a": [1]}), shown("a\n  b")) == ("x" * 39 + "…", '{"a": [1]}', "a b")


def test_a_failure_names_its_object_once_and_no_field_of_the_engine() -> None:
    prepared = urn("Dataset", "PreparedDataset", "other")
    missing = "other is not valid: definition: Dataset/other: file 'x.csv' is not in the workspace\n  hint: looked at x.csv"
    assert sentences({prepared: missing, urn("Model", "ModelVersion", "delay"): "delay is not valid: seed: too small"}) == [
        "Dataset/other: file 'x.csv' is not in the workspace\n  hint: looked at x.csv",
        "Model/delay: seed: too small",
    ]


def test_an_error_of_the_disk_is_told_without_its_number() -> None:
    assert sentences({urn("Dataset", "PreparedDataset", "flights"): "[Errno 13] Permission denied: '/w/.mlx/local'"}) == [
        "Dataset/flights: /w/.mlx/local: Permission denied (mlx doctor looks at what is in the way)"
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (12, "12 s"), (12_000, "3 h 20 min"), (7_948_800, "92 d"), (-7_948_800, "92 d ahead"), (-12_000, "3 h 20 min ahead")]
)
def test_an_age_is_told_in_the_same_units_before_and_after_the_moment(seconds: float | None, text: str) -> None:
    assert age_text(seconds) == text
