"""What `mlx why` and `mlx profile` print, recorded."""

from collections.abc import Callable

from mlx_cli.render.profile import render_profile
from mlx_cli.render.why import render_why
from mlx_runtime.associations import Pair
from mlx_runtime.profile import Checked, Column, Coverage, Profile, Reason
from mlx_stacks.faults import Fault, Rank
from mlx_stacks.why import Branch, Origin, Why

Golden = Callable[[str, str], None]
URN = "urn:pulumi:local::flights::mlx:components:Dataset$mlx:index:PreparedDataset::flights"
FLIGHTS = Branch("Dataset/flights", "Ready", "336,776 rows", well=True, is_cause=False)
PIPELINE = Branch("Pipeline/tabular", "Ready", "8 steps", well=True, is_cause=False)


def tree(model: str, *, held: bool) -> Branch:
    delays = Branch("Dataset/flight-delays", "Ready", "327,346 rows, 9,430 rejected", well=True, is_cause=False, children=(FLIGHTS,))
    status = ("Challenger", model) if held else ("Ready", model)
    below = Branch("Model/delay", *status, well=not held, is_cause=held, children=(delays, PIPELINE))
    return Branch("Inference/delay-api", "WaitingForModel(delay@champion)" if held else "Ready", "http://127.0.0.1:8000", not held, False, (below,))


def test_a_cause_reads_as_recorded(golden: Golden) -> None:
    held = "version 1 did not pass: roc_auc 0.6264 is below 0.75; no champion yet"
    cause = Fault("Model/delay", Rank.HELD, held, "a better version passes, or change the gate at specs/delay.yaml:31:3")
    waits = Fault("Inference/delay-api", Rank.WAITING, "it waits for delay@champion: no version has passed its gates yet", "mlx apply")
    gate = Why("Inference/delay-api", "local", tree(held, held=True), cause, (waits,), ())
    message = "Dataset/flights: 1 quality check failed\n  rows: 12 rows, wanted at least 300,000"
    stopped = Fault("Dataset/flights", Rank.FAILED, message, "correct the source; when that is mended: mlx apply", URN)
    line = Why("Dataset/flights", "local", Branch("Dataset/flights", "Missing", "its prepared rows are gone", False, True), stopped, (), ())
    made_of = (Origin("Dataset/flights", "data d3fdec12b016, 336,776 rows"), Origin("Model/delay", "champion is version 1"))
    well = Why("Inference/delay-api", "local", tree("version 1 is champion; roc_auc 0.6264", held=False), None, (), made_of)
    golden("why.txt", "\n\n---\n\n".join(map(render_why, (gate, line, well))) + "\n")


def test_a_profile_reads_as_recorded(golden: Golden) -> None:
    columns = (
        Column("distance", "float", "Miles.", 0, 213, {"min": 80.0, "max": 4983.0, "mean": 1048.3713, "std": 735.9, "q0.5": 888.0}),
        Column("carrier", "string", "", 3, 16, {"min": "9E", "max": "YV"}),
        Column("late", "boolean", "", 9430, 2, {}),
    )
    found = Profile(
        dataset="flights", description="Every flight.", digest="d3fdec12b016" + "0" * 52, rows=2_336_776, sampled=1_000_000, columns=columns,
        correlations=(Pair("distance", "hour", -0.31),), associations=(Pair("carrier", "origin", 0.59),), keys=("year", "flight"), duplicates=4,
        coverage=Coverage("time_hour", "2013-01-01", "2013-12-31", 365, 3, 2), rejected=12, reasons=(Reason(2, "cancelled", 12),),
        checks=(Checked("range of distance", "warn", False, "1 row of 12 outside 1 to 6000"),), sample=(), rejected_sample=(),
    )  # fmt: skip
    golden("profile.txt", render_profile(found) + "\n")
