"""`mlx why`, `mlx logs`, `mlx profile` and `mlx ui` of a workspace with a model: trained once, first held by its gate, then served."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chromium import FOUND, chromium

from mlx_runtime.server.lifecycle import find, stop

LIMIT = 300
GATE = "atLeast: 0.6"


def mlx_process(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mlx_cli", *arguments]
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "specs" / "tiny.yaml"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


@contextmanager
def edited(folder: Path, old: str, new: str) -> Iterator[None]:
    edit(folder, old, new)
    yield
    edit(folder, new, old)


@pytest.fixture(scope="module")
def held(new_tiny: Path) -> Iterator[Path]:
    """Trained, and held by a gate that nothing passes: the endpoint waits."""
    edit(new_tiny, GATE, "atLeast: 2.0")
    rows = (new_tiny / "data" / "tumours.csv").read_text()
    edit(new_tiny, "    malignant: {type: boolean}", "    malignant: {type: boolean}\n    note: {type: string}")
    lines = rows.splitlines()
    (new_tiny / "data" / "tumours.csv").write_text(
        "\n".join([f"{lines[0]},note", *(f"{line},<script>document.title='owned'</script>" for line in lines[1:])]) + "\n"
    )
    edit(new_tiny, "  target: malignant", "  target: malignant\n  features: [radius, texture]")
    process = mlx_process(new_tiny, "apply", "--yes")
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 3, out + err
    yield new_tiny
    stop(endpoint(new_tiny))


@pytest.fixture(scope="module")
def served(held: Path) -> Path:
    """The gate is lowered: the same version is judged again, and served."""
    edit(held, "atLeast: 2.0", GATE)
    out, err = (process := mlx_process(held, "apply", "--yes")).communicate(timeout=LIMIT)
    assert process.returncode == 0, out + err
    return held


def endpoint(folder: Path) -> Path:
    return folder / ".mlx" / "local" / "endpoints" / "tumour-api"


def why(mlx: Any, folder: Path, name: str = "tumour-api") -> Any:
    outcome = mlx("why", name, "-C", folder, "-o", "json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_an_endpoint_that_waits_leads_to_the_gate_and_its_figures(mlx, held: Path) -> None:
    told = why(mlx, held)
    assert (told["cause"]["object"], told["cause"]["kind"]) == ("Model/tumour", "held")
    assert "roc_auc" in told["cause"]["reason"] and "no champion yet" in told["cause"]["reason"]
    assert "specs/tiny.yaml:" in told["cause"]["fix"]
    assert [(one["object"], one["kind"]) for one in told["others"]] == [("Inference/tumour-api", "waiting")]
    text = mlx("why", "tumour-api", "-C", held).out
    assert "Inference/tumour-api    WaitingForModel(tumour@champion)" in text
    assert "└─ Model/tumour" in text and "<- the cause" in text and "\nCause  Model/tumour: version 1 did not pass" in text


def test_logs_of_several_objects_have_their_names_before_each_line(mlx, held: Path) -> None:
    lines = mlx("logs", "-C", held, "--tail", "1").out.splitlines()
    assert [line.split(" | ")[0].strip() for line in lines] == ["Model/tumour", "Inference/tumour-api"]
    assert mlx("logs", "tumour-api", "-C", held, "--since", "2001-01-01").out
    assert mlx("logs", "tumour-api", "-C", held, "--since", "2999-01-01").out == ""
    assert "is no moment" in mlx("logs", "-C", held, "--since", "yesterday").err


def test_of_a_served_model_the_lineage_goes_from_data_to_endpoint(mlx, served: Path) -> None:
    told = why(mlx, served)
    assert (told["well"], told["cause"], told["others"]) == (True, None, [])
    assert [origin["id"] for origin in told["lineage"]] == ["Dataset/tumours", "Pipeline/tabular", "Model/tumour", "Model/tumour", "Inference/tumour-api"]
    assert mlx("why", "tumour@champion", "-C", served).out.endswith("Nothing is wrong.\n")


def test_a_changed_parameter_is_the_cause_one_object_below(mlx, served: Path) -> None:
    with edited(served, "{C: 1.0}", "{C: 2.0}"):
        cause = why(mlx, served)["cause"]
    assert (cause["object"], cause["kind"], cause["reason"]) == (
        "Model/tumour",
        "changed",
        "parameters.C changed in specs/tiny.yaml, not applied yet (retrain)",
    )


def test_a_corrupted_artifact_is_named_by_its_file(mlx, served: Path) -> None:
    (model,) = served.glob(".mlx/local/models/tumour/*/model.json")
    content = model.read_bytes()
    model.chmod(0o644)
    model.write_bytes(content + b" ")
    try:
        cause = why(mlx, served)["cause"]
    finally:
        model.write_bytes(content)
    assert cause["kind"] == "broken"
    assert str(model.relative_to(served)) in cause["reason"] and "corrupted" in cause["reason"]


def test_an_alias_that_was_removed_by_hand_is_named(mlx, served: Path) -> None:
    database = sqlite3.connect(served / ".mlx" / "local" / "mlflow" / "mlflow.db")
    before = database.execute("select * from registered_model_aliases").fetchall()
    with database:
        database.execute("delete from registered_model_aliases")
    try:
        cause = why(mlx, served)["cause"]
    finally:
        with database:
            database.executemany(f"insert into registered_model_aliases values ({', '.join('?' * len(before[0]))})", before)
        database.close()
    assert (cause["object"], cause["kind"]) == ("Model/tumour", "broken")
    assert cause["reason"] == "its alias was moved by hand: it was on version 1 and is gone"


def test_a_name_that_is_none_is_refused_with_what_there_is(mlx, served: Path) -> None:
    outcome = mlx("why", "tumor-api", "-C", served)
    assert (outcome.code, "did you mean 'tumour-api'" in outcome.err) == (1, True)


def test_a_log_is_followed_from_its_history_on_until_it_is_interrupted(served: Path) -> None:
    process = mlx_process(served, "logs", "--follow", "tumour-api", "--tail", "1")
    assert process.stdout and process.stderr
    assert process.stdout.readline()
    with (endpoint(served) / "server.log").open("a") as log:
        log.write("half a ")
        log.flush()
        log.write("line\n")
    assert process.stdout.readline() == "half a line\n"
    process.send_signal(signal.SIGINT)
    assert (process.wait(LIMIT), process.stderr.read()) == (130, "interrupted\n")


def test_a_log_of_another_training_is_followed_when_it_begins(served: Path) -> None:
    process = mlx_process(served, "logs", "--follow", "tumour", "--tail", "1")
    assert process.stdout and process.stdout.readline()
    run = served / ".mlx" / "local" / "runs" / "tumour" / "another"
    run.mkdir()
    (run / "run.log").write_text("step ingest\n")
    os.utime(run / "run.log", (time.time() + 60, time.time() + 60))
    try:
        assert process.stdout.readline() == "step ingest\n"
    finally:
        process.send_signal(signal.SIGINT)
        (run / "run.log").unlink()
        run.rmdir()
    assert process.wait(LIMIT) == 130


def test_a_profile_is_a_page_that_needs_nothing_and_runs_nothing(mlx, served: Path, tmp_path: Path) -> None:
    page = tmp_path / "tumours.html"
    outcome = mlx("profile", "tumours", "-C", served, "--out", page, "-o", "json")
    told = json.loads(outcome.out)
    assert (told["rows"], told["duplicates"], told["page"]) == (60, 0, str(page))
    text = page.read_text()
    assert "&lt;script&gt;document.title" in text
    assert [mark for mark in ("<script", "http://", "https://", "src=", "@import", "url(") if mark in text] == []
    assert "radius  " in mlx("profile", "tumours", "-C", served).out


@contextmanager
def page_server(folder: Path) -> Iterator[str]:
    process = mlx_process(folder, "ui")
    assert process.stdout and process.stderr
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 130, process.stderr.read()


def fetched(url: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=LIMIT) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_page_answers_only_this_machine_and_its_own_forms(served: Path) -> None:
    with page_server(served) as url:
        assert url.startswith("http://127.0.0.1:")
        status, text = fetched(url)
        assert (status, b"http://" in text.replace(b"http://www.w3.org/2000/svg", b"")) == (200, False)
        assert fetched(url, Host="evil.example")[0] == 403
        assert fetched(f"{url}api/endpoint/tumour-api", {}, Origin="http://evil.example")[0] == 403
        assert fetched(f"{url}api/endpoint/tumour-api", {})[0] == 415
        assert fetched(f"{url}api/endpoint/nobody", {}, **{"Content-Type": "application/json"})[0] == 404
        assert fetched(f"{url}../../etc/passwd")[0] == 404
        snapshot = json.loads(fetched(f"{url}api/snapshot")[1])
    assert {node["id"]: node["state"] for node in snapshot["graph"]["nodes"]} == dict.fromkeys(
        ("Dataset/tumours", "Pipeline/tabular", "Model/tumour", "Inference/tumour-api", "Inference/tumour-batch"), "well"
    )
    (model,) = snapshot["models"]
    assert (model["told"], [version["aliases"] for version in model["versions"]]) == (["roc_auc"], [["champion"]])
    assert set(model["versions"][0]["metrics"]) >= {"roc_auc", "brier"}


@pytest.mark.skipif(FOUND is None, reason="no chromium on PATH: the page can only be looked at in a browser")
def test_a_browser_shows_the_graph_answers_the_form_and_has_nothing_to_complain_of(served: Path, tmp_path: Path) -> None:
    with page_server(served) as url, chromium(tmp_path / "profile") as page:
        page.open(url)
        page.until("document.querySelectorAll('#graph .node').length === 5")
        assert page.value("document.querySelectorAll('#graph .line').length") == 5
        page.until("document.querySelector('form')")
        assert page.value("document.querySelector('form [name=radius]').value")
        page.value("document.querySelector('form').requestSubmit()")
        page.until("document.querySelector('form output').innerText.includes('Answered by version 1')")
        assert "probability_true" in page.value("document.querySelector('form output').innerText")
        page.value("document.querySelector('[data-id=\"Dataset/tumours\"]').focus()")
        page.press("Enter")
        page.until("document.querySelector('#chosen h3')?.innerText.startsWith('Dataset/tumours')")
        page.value("document.querySelector('#chosen button').click()")
        page.until("document.querySelector('#chosen output').innerText.includes('Nothing is wrong.')")
        page.open(url, width=360, height=740, dark=True)
        page.until("document.querySelectorAll('#graph .node').length === 5")
        assert page.value("document.documentElement.scrollWidth <= 360")
        page.open(f"{url}profile/tumours")
        page.until("document.querySelector('h1')?.innerText === 'tumours'")
        assert page.value("document.title") == "tumours: profile"
        assert page.complaints == []


def test_a_server_that_was_killed_is_the_cause(mlx, served: Path) -> None:
    running = find(endpoint(served))
    assert running
    os.kill(running.pid, signal.SIGKILL)
    deadline = time.monotonic() + LIMIT
    while find(endpoint(served)) and time.monotonic() < deadline:
        continue
    cause = why(mlx, served)["cause"]
    assert (cause["object"], cause["kind"]) == ("Inference/tumour-api", "broken")
    assert "server is not running" in cause["reason"]
