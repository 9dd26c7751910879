"""`mlx monitor` of a small workspace that is applied: looks, reports, pages, exit codes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlx_cli.main import run
from mlx_cli.render.monitor import latest_text, report_page, report_text
from mlx_runtime.monitor.report import BinShare, ColumnDrift, MonitorReport
from mlx_runtime.server.lifecycle import stop
from mlx_specs import layout

Golden = Callable[[str, str], None]
MONITORS = """---
apiVersion: mlx/v1
kind: Monitor
metadata: {name: rows-watch, description: <script>Tumours</script>}
spec: {inference: tumour-batch, dataDrift: {threshold: 2}, predictionDrift: {threshold: 2}, window: {minimum: 60}}
---
apiVersion: mlx/v1
kind: Monitor
metadata: {name: alarm}
spec: {inference: tumour-batch, dataDrift: {threshold: 0.000001}, window: {minimum: 60}, action: alert}
---
apiVersion: mlx/v1
kind: Monitor
metadata: {name: api-watch}
spec: {inference: tumour-api, predictionDrift: {}}
"""
FOUND = MonitorReport(
    monitor="rows-watch", inference="nightly", at="2026-11-22T12:30:00+00:00", window="run 294f", version="4", fingerprint="f", rows=2_700, minimum=100,
    reference_rows=8_192, other_versions=7, not_measured={"dest": "it compares numbers, and these are texts"},
    data=[
        ColumnDrift(column="hour", method="wasserstein", distance=0.02, threshold=0.2, missing_before=0, missing=0.125,
                    bins=[BinShare(bin="below 6", before=0.5, now=0.25), BinShare(bin="6 or more", before=0.5, now=0.75)]),
        ColumnDrift(column="<b>carrier</b>", method="psi", distance=0.31, threshold=0.2, missing_before=0, missing=0, new_values=["<i>ZZ</i>", "YY"],
                    bins=[BinShare(bin=f"<i>{number}</i>", before=0.1, now=0.05) for number in range(20)]),
    ],
    predictions=[ColumnDrift(column="prediction", method="psi", distance=0.1, threshold=0.1, missing_before=0, missing=0)],
)  # fmt: skip


@pytest.fixture(scope="module")
def watched(new_tiny: Path) -> Iterator[Path]:
    specs = new_tiny / "specs" / "tiny.yaml"
    specs.write_text(specs.read_text() + MONITORS)
    assert run(["apply", "--yes", "-C", str(new_tiny)]) == 0
    yield new_tiny
    assert run(["destroy", "--yes", "-C", str(new_tiny)]) == 0


def test_before_the_first_look_there_is_nothing_to_report(mlx, watched: Path) -> None:
    assert mlx("monitor", "-C", watched).out.splitlines()[1:] == [
        "Monitor/alarm       none yet      mlx monitor run alarm",
        "Monitor/api-watch   none yet      mlx monitor run api-watch",
        "Monitor/rows-watch  none yet      mlx monitor run rows-watch",
    ]
    asked = mlx("monitor", "report", "rows-watch", "-C", watched)
    assert (asked.code, asked.err.splitlines()) == (1, ["error: Monitor/rows-watch has not looked yet", "  hint: mlx monitor run rows-watch"])


def test_a_look_is_told_kept_and_seen_by_status(mlx, watched: Path) -> None:
    looked = mlx("monitor", "run", "Monitor/rows-watch", "-C", watched)
    sentence = "no drift of 5 columns in 60 rows by version 1"
    assert (looked.code, looked.out.splitlines()[1]) == (0, sentence)
    (report,) = json.loads(mlx("monitor", "-C", watched, "-o", "json").out)["reports"]
    assert (report["verdict"], report["sentence"], report["rows"], report["about"]["description"]) == ("ok", sentence, 60, "<script>Tumours</script>")
    status = {one["id"]: one for one in json.loads(mlx("status", "-C", watched, "-o", "json").out)["objects"]}
    told = status["Monitor/rows-watch"]
    assert (told["status"], told["detail"].rpartition(", at ")[0], told["fields"]["verdict"]) == ("Ready", sentence, "ok")


def test_an_alarm_exits_with_4_and_why_says_what_to_do(mlx, watched: Path) -> None:
    looked = mlx("monitor", "run", "alarm", "-C", watched)
    assert (looked.code, looked.err) == (4, "Monitor/alarm alerts: exit 4\n")
    why = json.loads(mlx("why", "alarm", "-C", watched, "-o", "json").out)
    assert (why["cause"]["object"], why["cause"]["kind"], why["well"]) == ("Monitor/alarm", "drifted", False)
    assert why["cause"]["fix"].startswith("mlx monitor report alarm --out alarm.html shows what has moved")
    assert json.loads(mlx("why", "tumour-batch", "-C", watched, "-o", "json").out)["well"] is True


def test_all_look_where_none_is_named(mlx, watched: Path) -> None:
    looked = mlx("monitor", "run", "-C", watched, "-o", "json")
    assert looked.code == 4
    found = {one["monitor"]: one["verdict"] for one in json.loads(looked.out)["reports"]}
    assert found == {"alarm": "drifted", "api-watch": "insufficient", "rows-watch": "ok"}


def test_what_an_endpoint_was_asked_is_judged(mlx, watched: Path) -> None:
    rows = watched / "rows.csv"
    rows.write_text("id,radius,texture\n" + "".join(f"{number},{40 + number % 7},{15 + number % 5}\n" for number in range(150)))
    asked = mlx("predict", "tumour-api", "--data", rows, "-C", watched)
    assert asked.code == 0, asked.err
    stop(watched / layout.endpoint(".mlx/local", "tumour-api"))  # it writes what waits
    looked = mlx("monitor", "run", "api-watch", "-C", watched, "-o", "json")
    (report,) = json.loads(looked.out)["reports"]
    assert (report["rows"], report["version"], report["verdict"]) == (150, "1", "drifted")
    assert [one["column"] for one in report["predictions"]] == ["label", "probability_false", "probability_true"]
    assert mlx("apply", "--yes", "-C", watched).code == 0


def test_a_changed_threshold_holds_from_the_next_apply_on(mlx, watched: Path) -> None:
    specs = watched / "specs" / "tiny.yaml"
    written = specs.read_text()
    specs.write_text(written.replace("threshold: 0.000001", "threshold: 99"))
    plan = mlx("plan", "-C", watched).out
    assert "~ Monitor/alarm  dataDrift.threshold 1e-06 -> 99  => no retrain, no restart" in plan
    assert "not run" not in plan
    assert mlx("monitor", "run", "alarm", "-C", watched).code == 4
    assert mlx("apply", "--yes", "-C", watched).code == 0
    assert mlx("monitor", "run", "alarm", "-C", watched).code == 0
    specs.write_text(written)
    assert mlx("apply", "--yes", "-C", watched).code == 0


def test_a_report_is_a_page_that_needs_nothing_and_runs_nothing(mlx, watched: Path, tmp_path: Path) -> None:
    page = tmp_path / "watch.html"
    mlx("monitor", "run", "rows-watch", "-C", watched)
    written = mlx("monitor", "report", "rows-watch", "-C", watched, "--out", page)
    assert (written.code, written.err) == (0, f"wrote {page}\n")
    text = page.read_text()
    assert "&lt;script&gt;Tumours" in text
    assert [mark for mark in ("<script", "http://", "https://", "src=", "@import", "url(") if mark in text] == []


def test_names_and_environments_that_are_not_there_are_said(mlx, watched: Path) -> None:
    unknown = mlx("monitor", "run", "rows-wach", "-C", watched)
    assert (unknown.code, unknown.err.splitlines()) == (
        1,
        [
            "error: there is no Monitor called 'rows-wach' in environment local, did you mean 'rows-watch'?",
            "  hint: there are Monitor/alarm, Monitor/api-watch, Monitor/rows-watch",
        ],
    )
    lost = mlx("monitor", "report", "rows-watch", "-C", watched, "--out", "/not/there/page.html")
    assert (lost.code, lost.err.splitlines()[0]) == (1, "error: cannot write /not/there/page.html: the folder /not/there is not there")


def test_a_report_and_a_list_read_as_recorded(golden: Golden) -> None:
    few = FOUND.model_copy(update={"monitor": "few", "rows": 12, "data": [], "predictions": [], "not_measured": {}})
    golden("monitor.txt", "\n\n---\n\n".join([report_text(FOUND), report_text(few), latest_text([("Monitor/a", FOUND), ("Monitor/b", None)], "local")]) + "\n")


def test_what_rows_hold_is_no_markup_and_a_page_shows_the_first_bins() -> None:
    text = report_page(FOUND)
    assert "&lt;b&gt;carrier&lt;/b&gt;" in text and "&lt;i&gt;ZZ&lt;/i&gt;" in text
    assert "<i>ZZ" not in text and "<b>carrier" not in text
    assert text.count("&lt;i&gt;13&lt;/i&gt;</span>") == 1 and "&lt;i&gt;14&lt;/i&gt;" not in text
    assert "and 6 more" in text
