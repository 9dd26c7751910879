"""A monitor looks: at the latest batch run or at what an endpoint has answered, beside the reference rows of the version."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet
import pytest
from made_flights import Packaged, flights, logistic

from mlx_runtime.artifact import write_artifact
from mlx_runtime.batch import score_dataset
from mlx_runtime.batch.run import run_digest
from mlx_runtime.columns import to_columns
from mlx_runtime.monitor import MonitorError
from mlx_runtime.monitor.distances import distance
from mlx_runtime.monitor.look import look
from mlx_runtime.monitor.report import BinShare, ColumnDrift, MonitorReport, latest_report
from mlx_runtime.monitor.rows import Rows
from mlx_runtime.scorer import BLOCK, load
from mlx_specs import layout
from mlx_specs.artifact import REFERENCE_FILE
from mlx_specs.inference_resources import BatchPredictionsInputs
from mlx_specs.monitor import MonitorSpec
from mlx_specs.resources import PreparedData
from mlx_specs.watched import Watched

HOME = ".mlx/local"
AT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
Models = Callable[[str], Packaged]


def watched(mode: Any = "batch", **spec: Any) -> Watched:
    return Watched(monitor="watch", mode=mode, spec=MonitorSpec.model_validate({"inference": "nightly", "dataDrift": {}, **spec}))


@pytest.fixture
def scored(models: Models, workspace: Path) -> Callable[[pyarrow.Table], str]:
    """Scores rows as the latest run of `nightly`; returns the digest of the run."""

    def score(rows: pyarrow.Table) -> str:
        content = f"{rows.num_rows:x}{abs(hash(str(rows.slice(0, 3)))):x}"
        path = layout.dataset(HOME, "rows", content) / "data.parquet"
        (workspace / path).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(rows, workspace / path)
        data = PreparedData(name="rows", digest=content, path=str(path))
        version = models("boosting").version("4", workspace)
        asked = BatchPredictionsInputs(name="nightly", home=HOME, model="delay", alias="champion", version=version, input=data)
        score_dataset(asked, workspace, lambda line: None)
        return run_digest(asked)

    return score


def later(rows: int = 500) -> pyarrow.Table:
    """Flights that all leave late in the evening, some with a carrier that is new."""
    table = flights(rows, 9)
    carriers = pyarrow.array(["ZZ" if row % 4 == 0 else carrier for row, carrier in enumerate(table["carrier"].to_pylist())], pyarrow.string())
    table = table.set_column(table.column_names.index("carrier"), "carrier", carriers)
    return table.set_column(table.column_names.index("hour"), "hour", pyarrow.array(np.full(rows, 23)))


def test_a_version_comes_with_held_out_rows_of_its_inputs(models: Models) -> None:
    packed = models("boosting")
    assert parquet.read_table(packed.folder / REFERENCE_FILE).equals(packed.data)


def test_of_many_held_out_rows_a_block_is_kept_evenly_over_all(pack: Callable[..., Packaged]) -> None:
    rows = flights(3 * BLOCK + 1)
    packed = pack("many", logistic(), rows, np.arange(rows.num_rows) % 2 == 0)
    kept = parquet.read_table(packed.folder / REFERENCE_FILE)
    assert kept.num_rows == BLOCK
    assert kept.slice(0, 1).equals(rows.slice(0, 1)) and kept.slice(BLOCK - 1).equals(rows.slice(3 * BLOCK))


def test_rows_like_those_of_before_do_not_drift(scored: Callable[[pyarrow.Table], str], workspace: Path) -> None:
    run = scored(flights(4_000, 8))
    report = look(watched(predictionDrift={}), HOME, workspace, AT)
    assert report.verdict == "ok"
    assert report.sentence == "no drift of 8 columns in 4,000 rows by version 4"
    assert (report.window, report.version, report.rows, report.reference_rows) == (f"run {run[:12]}", "4", 4_000, 600)
    assert [each.column for each in report.data] == ["distance", "hour", "refundable", "booked", "carrier"]
    assert [each.column for each in report.predictions] == ["label", "probability_false", "probability_true"]


def test_drift_is_told_with_its_figures(scored: Callable[[pyarrow.Table], str], models: Models, workspace: Path) -> None:
    rows = later()
    scored(rows)
    report = look(watched(dataDrift={"method": "jensen-shannon", "threshold": 0.3, "columns": ["carrier", "hour"]}), HOME, workspace, AT)
    before, now = to_columns(models("boosting").data), to_columns(rows)
    lacking = sum(value is None for value in now["carrier"])
    assert [each.model_dump(exclude={"bins"}) for each in report.data] == [
        ColumnDrift(
            column="carrier", method="jensen-shannon", distance=distance("jensen-shannon", before["carrier"], now["carrier"]), threshold=0.3,
            missing_before=sum(value is None for value in before["carrier"]) / 600, missing=lacking / 500, new_values=["ZZ"],
        ).model_dump(exclude={"bins"}),
        ColumnDrift(
            column="hour", method="jensen-shannon", distance=distance("jensen-shannon", before["hour"], now["hour"]), threshold=0.3,
            missing_before=0, missing=0,
        ).model_dump(exclude={"bins"}),
    ]  # fmt: skip
    carrier, hour = report.data
    assert [each.bin for each in carrier.bins] == ["UA", "AA", "B6", "(all others)", "(missing)"]
    assert carrier.bins[3] == BinShare(bin="(all others)", before=0, now=0.25)
    assert (hour.bins[0].bin, hour.bins[-2].bin, hour.bins[-2].now) == ("below 6", "22 or more", 1)
    figures = {each.column: f"{each.distance:.2g}" for each in report.data}
    assert report.sentence == (
        f"drift in 2 of 2 columns in 500 rows by version 4: hour (jensen-shannon {figures['hour']}, from 0.3 on), "
        f"carrier (jensen-shannon {figures['carrier']}, from 0.3 on)"
    )


def test_predictions_are_compared_with_those_of_the_reference(scored: Callable[[pyarrow.Table], str], models: Models, workspace: Path) -> None:
    rows = later()
    scored(rows)
    report = look(watched(dataDrift=None, predictionDrift={"method": "kolmogorov-smirnov", "threshold": 0.2}), HOME, workspace, AT)
    packed = models("boosting")
    scorer = load(packed.folder, packed.digest)
    before, now = (to_columns(scorer.score_table(table))["probability_true"] for table in (packed.data, rows))
    found = {each.column: each.distance for each in report.predictions}
    assert found["probability_true"] == distance("kolmogorov-smirnov", before, now) > 0.2
    assert report.verdict == "drifted"


def test_too_few_rows_are_not_judged(scored: Callable[[pyarrow.Table], str], workspace: Path) -> None:
    scored(later(99))
    report = look(watched(), HOME, workspace, AT)
    assert (report.verdict, report.sentence, report.data) == ("insufficient", "insufficient rows: 99 of at least 100", [])


def test_before_the_first_run_there_is_nothing_to_judge(tmp_path: Path) -> None:
    for mode in ("batch", "realtime"):
        report = look(watched(mode), HOME, tmp_path, AT)
        assert (report.verdict, report.window) == ("insufficient", "no predictions yet")


def test_a_measure_of_numbers_leaves_texts_out_and_says_so(scored: Callable[[pyarrow.Table], str], workspace: Path) -> None:
    scored(later())
    report = look(watched(dataDrift={"method": "wasserstein"}), HOME, workspace, AT)
    assert report.not_measured == {"carrier": "it compares numbers, and these are texts"}
    assert [each.column for each in report.data] == ["distance", "hour", "refundable", "booked"]
    with pytest.raises(MonitorError, match="wasserstein cannot compare column 'carrier': it compares numbers, and these are texts"):
        look(watched(dataDrift={"method": "wasserstein", "columns": ["carrier"]}), HOME, workspace, AT)


def test_a_column_that_the_version_does_not_read_is_named(scored: Callable[[pyarrow.Table], str], workspace: Path) -> None:
    scored(later())
    with pytest.raises(MonitorError, match="the version that is served has no input 'weather'") as error:
        look(watched(dataDrift={"columns": ["hour", "weather"]}), HOME, workspace, AT)
    assert error.value.hint == "it reads distance, hour, refundable, booked, carrier"


def test_reports_are_kept_and_the_latest_is_found(scored: Callable[[pyarrow.Table], str], workspace: Path) -> None:
    scored(later())
    first, second = (look(watched(), HOME, workspace, moment) for moment in (AT, AT + timedelta(hours=1)))
    assert latest_report(HOME, "watch", workspace) == second
    folder = workspace / layout.monitor(HOME, "watch")
    kept = [json.loads((folder / "reports" / name).read_bytes()) for name in ("20261122T123000Z.json", "20261122T133000Z.json")]
    assert kept == [{**each.wire(), "verdict": "drifted", "sentence": each.sentence} for each in (first, second)]
    assert MonitorReport.model_validate(kept[0]) == first
    assert latest_report(HOME, "another", workspace) is None


def log(workspace: Path, rows: pyarrow.Table, moment: datetime, part: str, *, fingerprint: str = "boosting") -> None:
    """Rows as a server logs them."""
    folder = workspace / layout.prediction_log(HOME, "nightly") / f"{moment:%Y-%m-%dT%H}"
    folder.mkdir(parents=True, exist_ok=True)
    told = rows.append_column("time", pyarrow.array([moment] * rows.num_rows, pyarrow.timestamp("us", tz="UTC")))
    told = told.append_column("model_fingerprint", pyarrow.array([fingerprint] * rows.num_rows))
    parquet.write_table(told, folder / f"{part}.parquet")


def test_of_an_endpoint_the_rows_that_its_version_answered_within_the_window_are_judged(models: Models, tmp_path: Path) -> None:
    packed = models("boosting")
    version = packed.version("4", packed.folder.parents[1])
    (tmp_path / "models").symlink_to(packed.folder.parent)
    log(tmp_path, later(150), AT - timedelta(minutes=10), "a")
    log(tmp_path, later(150), AT - timedelta(hours=1), "b")
    log(tmp_path, flights(400), AT - timedelta(hours=3), "too-early")
    log(tmp_path, flights(70), AT - timedelta(minutes=5), "another", fingerprint="older")
    asked = watched("realtime", window={"size": "2h"}).model_copy(update={"version": version})
    report = look(asked, HOME, tmp_path, AT)
    assert (report.rows, report.other_versions, report.verdict) == (300, 70, "drifted")
    assert report.window == "2026-11-22T10:30:00+00:00/2026-11-22T12:30:00+00:00"
    hours = {each.column: each.distance for each in report.data}
    assert hours["hour"] == distance("psi", to_columns(packed.data)["hour"], np.full(300, 23.0))


def test_an_input_that_is_called_as_a_column_of_the_log_is_read_apart(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"inputs.label": [1.0, 2.0], "hour": [5.0, 6.0], "label": [True, False]}), tmp_path / "part.parquet")
    inputs, outputs = Rows((tmp_path / "part.parquet",), logged_inputs=True), Rows((tmp_path / "part.parquet",))
    assert (inputs.column("label").tolist(), inputs.column("hour").tolist(), outputs.column("label").tolist()) == ([1, 2], [5, 6], [1, 0])


def test_versions_with_other_inputs_are_told_apart_in_one_window(models: Models, tmp_path: Path) -> None:
    packed = models("boosting")
    version = packed.version("4", packed.folder.parents[1])
    (tmp_path / "models").symlink_to(packed.folder.parent)
    log(tmp_path, pyarrow.table({"distance": ["far"] * 5, "new": [1] * 5}), AT - timedelta(minutes=9), "0", fingerprint="newer")
    log(tmp_path, later(150), AT - timedelta(minutes=10), "1")
    report = look(watched("realtime").model_copy(update={"version": version}), HOME, tmp_path, AT)
    assert (report.rows, report.other_versions, [each.column for each in report.data]) == (150, 5, packed.data.column_names)


def test_a_version_that_was_packaged_before_there_were_reference_rows_is_named(models: Models, tmp_path: Path) -> None:
    packed = models("boosting")
    described = load(packed.folder, packed.digest).model
    digest = write_artifact(tmp_path / "old", described, {described.engine_file: packed.folder / described.engine_file})
    version = packed.version("3", packed.folder.parents[1]).model_copy(update={"artifact": "old", "artifact_digest": digest})
    log(tmp_path, later(150), AT - timedelta(minutes=10), "a")
    with pytest.raises(MonitorError, match="version 3 has no reference rows: it was packaged before mlx kept any"):
        look(watched("realtime").model_copy(update={"version": version}), HOME, tmp_path, AT)


def test_a_column_that_has_lost_values_has_drifted(scored: Callable[[pyarrow.Table], str], workspace: Path) -> None:
    table = flights(400, 4)
    distances = compute.if_else(pyarrow.array(np.arange(400) % 2 == 0), None, table["distance"])
    scored(table.set_column(0, "distance", distances))
    report = look(watched(dataDrift={"columns": ["distance"]}), HOME, workspace, AT)
    (found,) = report.data
    assert found.missing == pytest.approx(distances.null_count / 400) and found.drifted
