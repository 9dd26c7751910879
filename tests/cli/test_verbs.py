"""Every verb on a workspace that is really applied: trains, serves and scores; exit codes and published JSON are checked.

Nothing cheaper will do: what is tested is that the verbs fit the engine's, the registry's and the server's real answers.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlx_cli.checks import Check, builders, pulumi_cli
from mlx_cli.outputs import OUTPUTS

ENDPOINT, BATCH, MODEL = "Inference/tumour-api", "Inference/tumour-batch", "Model/tumour"


def checked(verb: str, text: str) -> Any:
    """The value of a verb's ``-o json``, which has the published shape."""
    value = json.loads(text)
    jsonschema.validate(value, OUTPUTS[verb])
    return value


def in_a_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real executable, as CI runs it."""
    return subprocess.run([sys.executable, "-m", "mlx_cli", *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def applied(new_tiny: Path) -> Iterator[Path]:
    """The tiny workspace, applied; destroyed at the end, which is a test of its own."""
    made = in_a_process(new_tiny, "apply", "--yes", "-o", "json", "--message", "the first")
    try:
        assert made.returncode == 0, made.stderr
        assert checked("apply", made.stdout)["created"] >= 6
        yield new_tiny
    finally:
        gone = in_a_process(new_tiny, "destroy", "--yes", "-o", "json")
        assert gone.returncode == 0, gone.stderr
        assert checked("destroy", gone.stdout)["deleted"] >= 6


def test_a_second_apply_has_nothing_to_do_and_asks_nothing(applied: Path) -> None:
    again = in_a_process(applied, "apply")
    assert (again.returncode, again.stdout) == (0, "No changes: environment local is as the specs say (5 objects).\n")


def test_a_plan_without_changes_exits_0_even_when_asked_for_detail(mlx, applied: Path) -> None:
    outcome = mlx("plan", "-C", applied, "--detailed-exitcode", "-o", "json")
    plan = checked("plan", outcome.out)
    assert (outcome.code, plan["summary"]) == (0, {"create": 0, "change": 0, "destroy": 0, "retrain": 0})


def test_a_changed_parameter_is_a_retrain_with_the_endpoint_behind_it(mlx, applied: Path, tmp_path: Path) -> None:
    with edited(applied, "C: 1.0", "C: 2.0"):
        outcome = mlx("plan", "-C", applied, "--detailed-exitcode", "--out", tmp_path / "plan.json")
    assert outcome.code == 2
    rows = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert "~ Model/tumour parameters.C 1.0 -> 2.0 => retrain" in rows
    assert any(row.startswith(f"~ {ENDPOINT} follows Model/tumour") for row in rows)


@contextmanager
def edited(folder: Path, old: str, new: str) -> Iterator[None]:
    """The specs with one change, put back at the end."""
    specs = folder / "specs" / "tiny.yaml"
    before = specs.read_text()
    specs.write_text(before.replace(old, new))
    try:
        yield
    finally:
        specs.write_text(before)


def test_status_shows_every_object(mlx, applied: Path) -> None:
    objects = checked("status", mlx("status", "-C", applied, "-o", "json").out)["objects"]
    assert {item["id"]: item["status"] for item in objects} == {
        "Dataset/tumours": "Ready",
        "Pipeline/tabular": "Ready",
        MODEL: "Ready",
        ENDPOINT: "Ready",
        BATCH: "Done",
    }
    assert mlx("status", "-C", applied).out.startswith("OBJECT")


def test_predict_answers_a_row_for_each_row(mlx, applied: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("radius,texture\n" + "12.5,16\n" * 25)
    answer = checked("predict", mlx("predict", "tumour-api", "--data", rows, "-C", applied, "-o", "json").out)
    assert (answer["endpoint"], answer["rows"], len(answer["predictions"])) == ("tumour-api", 25, 25)
    text = mlx("predict", ENDPOINT, "--data", rows, "-C", applied).out
    assert text.splitlines()[-1] == "… 25 rows in all; -o json prints every one"


def test_export_writes_the_champion_or_a_version_by_its_number(mlx, applied: Path, tmp_path: Path) -> None:
    answer = checked("export", mlx("export", "tumour", "--to", tmp_path / "edge", "-C", applied, "-o", "json").out)
    assert (answer["model"], answer["version"], answer["format"]) == ("tumour", "1", "onnx")
    assert {path.name for path in (tmp_path / "edge").iterdir()} == {"model.onnx", "README.md", "example.json", "SHA256SUMS"}
    again = mlx("export", "tumour@1", "--to", tmp_path / "edge", "-C", applied)
    assert (again.code, again.out) == (0, f"tumour version 1 is in {tmp_path / 'edge'}: model.onnx, README.md, example.json, SHA256SUMS\n")
    none = mlx("export", "tumour@7", "--to", tmp_path / "other", "-C", applied)
    assert (none.code, none.err) == (1, "error: model 'tumour' has no version 7\n  hint: there is only 1 (champion): mlx export tumour@1\n")


def test_predict_of_a_wrong_file_says_what_the_model_reads(mlx, applied: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("radius\n1\n")
    outcome = mlx("predict", "tumour-api", "--data", rows, "-C", applied)
    assert (outcome.code, outcome.err) == (1, f"error: {rows}: column 'texture' missing\n  hint: the model reads radius, texture\n")


def test_run_scores_the_batch_again(mlx, applied: Path) -> None:
    outcome = mlx("run", "tumour-batch", "-C", applied, "-o", "json")
    assert outcome.code == 0, outcome.err
    assert checked("run", outcome.out)["updated"] == 1


def test_history_tells_each_update(mlx, applied: Path) -> None:
    updates = checked("history", mlx("history", "-C", applied, "-o", "json").out)["updates"]
    assert updates[-1]["message"] == "the first"
    last = mlx("history", "-C", applied).out.splitlines()[-1]
    assert [cell.strip() for cell in last.split("  ")][-2:] == ["6 created", "the first"]
    assert len(mlx("history", "-C", applied, "--limit", "1").out.splitlines()) == 2


def test_refresh_finds_no_drift_where_there_is_none(mlx, applied: Path) -> None:
    outcome = mlx("refresh", "-C", applied, "-o", "json")
    assert (outcome.code, checked("refresh", outcome.out)["drift"]) == (0, [])


def test_a_server_that_died_is_stopped_for_status_refresh_and_predict_alike(mlx, applied: Path) -> None:
    pid = endpoint(mlx, applied)["fields"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until_gone(pid)
    rows = applied / "data" / "tumours.csv"
    assert (endpoint(mlx, applied)["status"], endpoint(mlx, applied)["detail"]) == ("Stopped", "the server is not running; `mlx apply` starts it again")
    asked = mlx("predict", "tumour-api", "--data", rows, "-C", applied)
    assert (asked.code, asked.err) == (1, f"error: {ENDPOINT} does not answer: it is Stopped\n  hint: mlx apply starts it again\n")
    (found,) = checked("refresh", mlx("refresh", "-C", applied, "-o", "json").out)["drift"]
    assert found == {"id": ENDPOINT, "gone": True, "changes": [], "status": "Stopped", "detail": "the server is not running"}
    assert endpoint(mlx, applied)["status"] == "Stopped"
    assert mlx("apply", "-C", applied, "--yes").code == 0
    assert mlx("predict", "tumour-api", "--data", rows, "-C", applied).code == 0


def endpoint(mlx, folder: Path) -> Any:
    """The endpoint's entry in the status."""
    return next(item for item in json.loads(mlx("status", "-C", folder, "-o", "json").out)["objects"] if item["id"] == ENDPOINT)


def until_gone(pid: int) -> None:
    """A killed process is gone, or a zombie that its parent has not looked at yet."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)


def test_an_alias_that_was_moved_by_hand_is_drift_and_the_next_apply_puts_it_back(mlx, applied: Path) -> None:
    moved = move_champion(applied)
    try:
        outcome = mlx("refresh", "-C", applied, "-o", "json")
        drifted = {item["id"]: item for item in checked("refresh", outcome.out)["drift"]}
        (version,) = [change for change in drifted[MODEL]["changes"] if change["path"] == "current.version"]
        assert (outcome.code, drifted[MODEL]["gone"], version) == (4, False, {"path": "current.version", "old": "1", "new": moved})
        assert champion(applied) == moved
        assert "its alias was moved by hand" in mlx("plan", "-C", applied).out
        assert mlx("apply", "-C", applied, "--yes").code == 0
        assert champion(applied) == "1"
    finally:
        registry(applied).set_registered_model_alias("tumour", "champion", "1")
        registry(applied).delete_model_version("tumour", moved)
    assert mlx("plan", "-C", applied, "--detailed-exitcode").code == 0


def registry(folder: Path) -> Any:
    """MLflow's own client, as a colleague would use it."""
    from mlflow import MlflowClient

    store = f"sqlite:///{folder / '.mlx/local/mlflow/mlflow.db'}"
    return MlflowClient(tracking_uri=store, registry_uri=store)


def champion(folder: Path) -> str:
    """The version that the alias points to, as MLflow tells it."""
    return str(registry(folder).get_model_version_by_alias("tumour", "champion").version)


def move_champion(folder: Path) -> str:
    """Registers the first version once more and points the alias to it; the new version's number."""
    first = registry(folder).get_model_version("tumour", "1")
    again = registry(folder).create_model_version("tumour", first.source, first.run_id, tags=first.tags)
    registry(folder).set_registered_model_alias("tumour", "champion", again.version)
    return str(again.version)


def test_cancel_says_that_there_is_no_lock(mlx, applied: Path) -> None:
    outcome = mlx("cancel", "-C", applied, "--yes", "-o", "json")
    assert outcome.code == 0
    assert checked("cancel", outcome.out)["message"]


@pytest.mark.parametrize("name", ["tumour", "tumour-api"])
def test_logs_of_a_run_and_of_a_server_can_be_read(name: str, mlx, applied: Path) -> None:
    outcome = mlx("logs", name, "-C", applied, "-n", "5")
    assert outcome.code == 0
    assert 1 <= len(outcome.out.splitlines()) <= 5
    log = checked("logs", mlx("logs", name, "-C", applied, "-n", "5", "-o", "json").out)
    assert (log["lines"], (applied / log["path"]).is_file()) == (outcome.out.splitlines(), True)


def test_doctor_says_in_this_repository_which_tests_lack_their_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert builders().detail == (
        "go is not on PATH: tests against Kubernetes, S3 and Google Cloud Storage are skipped; "
        "npm is not on PATH: tests against Azure Blob Storage are skipped; "
        "mvn is not on PATH: tests against Kafka are skipped; java is not on PATH: tests against Kafka and Spark are skipped"
    )


def test_doctor_says_who_needs_the_pulumi_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    said = "not on PATH; needed only by `host: pulumi` and by clusters of provider aks, eks or gke, the embedded host needs nothing"
    assert pulumi_cli() == Check("pulumi", True, said)


def test_doctor_finds_nothing_wrong(mlx, applied: Path) -> None:
    outcome = mlx("doctor", "-C", applied, "-o", "json")
    checks = checked("doctor", outcome.out)
    assert (outcome.code, [check for check in checks["checks"] if not check["ok"]]) == (0, [])


def test_validate_prints_what_is_published(mlx, applied: Path) -> None:
    value = checked("validate", mlx("validate", "-C", applied, "--resolved", "-o", "json").out)
    assert (value["valid"], [item["id"] for item in value["objects"]].count(MODEL)) == (True, 1)
    assert "C: 1.0  # specs/tiny.yaml:" in mlx("validate", "-C", applied, "--resolved").out


def test_schema_prints_each_kind(mlx) -> None:
    assert json.loads(mlx("schema", "Model").out)["title"] == "Model"
    assert json.loads(mlx("schema").out)["title"] == "mlx object"
    assert json.loads(mlx("schema", "-o", "plan").out)["title"] == "mlx plan -o json"


def test_a_saved_plan_that_no_longer_holds_is_refused_with_exit_3(mlx, applied: Path, tmp_path: Path) -> None:
    with edited(applied, "C: 1.0", "C: 2.0"):
        assert mlx("plan", "-C", applied, "--out", tmp_path / "plan.json").code == 0
    with edited(applied, "C: 1.0", "C: 3.0"):
        outcome = mlx("apply", tmp_path / "plan.json", "-C", applied)
    assert (outcome.code, outcome.out) == (3, "")
    assert "hint: something changed since; plan again" in outcome.err
    assert mlx("plan", "-C", applied, "--detailed-exitcode").code == 0
