"""From local to staging to prod: the same bytes, nothing trained, whatever happens to local or to the promotion itself.

One workspace goes through the tests in their order, for each step of a team's week follows from the one before.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sklearn_workspaces import objects, tumour_model, write_breast_cancer
from workspaces import UserWorkspace, make_workspace

from mlx_engine.state.files import files_of
from mlx_engine.state.lock import locked
from mlx_stacks.workspace import open_workspace

MODEL = "malignant"
GOOD, WEAK = {"n_estimators": 30, "max_depth": 5}, {"n_estimators": 1, "max_depth": 1}
BAR: list[dict[str, Any]] = [{"metric": "roc_auc", "atLeast": 0.6}]
KILLS = 8


def specs(parameters: dict[str, Any], success: list[dict[str, Any]]) -> str:
    model = tumour_model()
    model["spec"] |= {"parameters": parameters, "success": success}
    return yaml.safe_dump_all([{"apiVersion": "mlx/v1", **spec} for spec in objects("tumours", "data/tumours.csv", model)], sort_keys=False)


def pinned_environment(name: str, source: str) -> str:
    spec = {"models": "pinned", "promotedFrom": source}
    return yaml.safe_dump({"apiVersion": "mlx/v1", "kind": "Environment", "metadata": {"name": name}, "spec": spec})


def bytes_of(folder: Path) -> dict[str, str]:
    """The sha256 of every file, by its place in the folder."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def lock_of(workspace: UserWorkspace, environment: str) -> dict[str, Any]:
    return yaml.safe_load((workspace.root / f"stacks/{environment}.lock.yaml").read_text())


def predictions(workspace: UserWorkspace, environment: str) -> list[dict[str, Any]]:
    """What the environment's endpoint answers for all rows; the number of a version is each registry's own."""
    said = workspace.mlx("predict", f"{MODEL}-api", "--env", environment, "--data", "data/tumours.csv", "-o", "json").json["predictions"]
    return [{key: value for key, value in row.items() if key != "model_version"} for row in said]


def changes(workspace: UserWorkspace, environment: str) -> list[str]:
    return [item["id"] for item in workspace.mlx("plan", "--env", environment, "-o", "json").json["objects"] if item["action"] != "same"]


def promote(workspace: UserWorkspace, target: str, *more: str, code: int = 0) -> Any:
    return workspace.mlx("promote", "--to", target, "--yes", "-o", "json", *more, code=code)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = make_workspace(tmp_path_factory.mktemp("promotion"), "tumours", [])
    made.write("specs/objects.yaml", specs(GOOD, BAR))
    write_breast_cancer(made.root)
    made.write("stacks/staging.yaml", pinned_environment("staging", "local"))
    made.write("stacks/prod.yaml", pinned_environment("prod", "staging"))
    yield made
    made.write("specs/objects.yaml", specs(GOOD, BAR))
    for environment in ("local", "staging", "prod"):
        made.mlx("destroy", "--env", environment, "--yes")


@pytest.fixture(scope="module")
def first(workspace: UserWorkspace) -> dict[str, Any]:
    """What local has after its first apply: the artifact's bytes and its answers."""
    workspace.mlx("apply", "--yes")
    return {"bytes": bytes_of(workspace.root / f".mlx/local/models/{MODEL}"), "answers": predictions(workspace, "local")}


def test_before_the_first_release_endpoints_wait_and_models_are_not_released(workspace: UserWorkspace, first: dict[str, Any]) -> None:
    applied = workspace.mlx("apply", "--env", "staging", "--yes", "-o", "json").json
    assert sorted(applied["waiting"]) == [
        f"Inference/{MODEL}-all: WaitingForModel({MODEL}@champion)",
        f"Inference/{MODEL}-api: WaitingForModel({MODEL}@champion)",
    ]
    assert applied["notes"] == ["not released: Model/malignant: it is new", "not released: Pipeline/tabular: it is new"]
    assert changes(workspace, "staging") == []
    assert not (workspace.root / ".mlx/staging/models").exists()


def test_from_a_pinned_environment_without_a_release_nothing_is_promoted_and_what_fills_it_is_told(workspace: UserWorkspace) -> None:
    said = workspace.mlx("promote", "--to", "prod", "--yes", code=1)
    hint = "it is pinned, and runs no release yet: mlx promote --to staging, then mlx apply --env staging"
    assert said.err == f"error: staging has no model that could be promoted\n  hint: {hint}\n"


def test_a_promotion_shows_the_difference_and_copies_the_same_bytes(workspace: UserWorkspace, first: dict[str, Any]) -> None:
    said = promote(workspace, "staging")
    assert said.err.splitlines()[0].startswith("Promote local to staging: release ")
    assert next(line for line in said.err.splitlines() if "Model/malignant" in line).split()[:3] == ["+", "Model/malignant", "version"]
    assert (said.json["promoted"], said.json["copied"], [gate["passed"] for gate in said.json["gates"]]) == (True, [MODEL], [True])
    assert said.json["gates"][0]["figures"][0].endswith(", at least 0.6")
    assert bytes_of(workspace.root / f".mlx/staging/models/{MODEL}") == first["bytes"]
    assert lock_of(workspace, "staging")["release"] == said.json["release"]
    assert promote(workspace, "staging").json["promoted"] is False


def test_staging_serves_the_same_when_local_is_destroyed_and_deleted(workspace: UserWorkspace, first: dict[str, Any]) -> None:
    workspace.mlx("destroy", "--env", "local", "--yes")
    shutil.rmtree(workspace.root / ".mlx/local")
    workspace.mlx("apply", "--env", "staging", "--yes")
    assert predictions(workspace, "staging") == first["answers"]
    assert bytes_of(workspace.root / f".mlx/staging/models/{MODEL}") == first["bytes"]
    assert changes(workspace, "staging") == []
    workspace.mlx("apply", "--env", "staging", "--yes")


def test_nothing_was_trained_in_staging(workspace: UserWorkspace) -> None:
    from mlx_pipelines.registry_reads import find_run, versions

    (version,) = versions(workspace.root, ".mlx/staging", MODEL)
    run = find_run(workspace.root, ".mlx/staging", version.run_id)
    assert (version.aliases, run.tags["mlx.promoted_from"], run.tags["mlx.environment"]) == (("champion",), "local", "staging")
    assert (run.params["n_estimators"], run.metrics["roc_auc"] > 0.9, version.run_id != run.tags["mlx.source_run"]) == ("30", True, True)
    assert not list((workspace.root / ".mlx/staging/runs").rglob("run.log"))
    assert not (workspace.root / ".mlx/staging/pipelines").exists()


def test_a_source_without_models_is_no_promotion_of_nothing(workspace: UserWorkspace) -> None:
    lock = (workspace.root / "stacks/staging.lock.yaml").read_bytes()
    said = workspace.mlx("promote", "--to", "staging", "--yes", code=1)
    assert said.err == "error: local has no model that could be promoted\n  hint: mlx apply --env local\n"
    assert (workspace.root / "stacks/staging.lock.yaml").read_bytes() == lock


def test_what_the_commit_has_beyond_the_lock_is_not_released_and_changes_nothing(workspace: UserWorkspace) -> None:
    workspace.write("specs/objects.yaml", specs(WEAK, [{**BAR[0], "tolerance": 0.001}]))
    plan = workspace.mlx("plan", "--env", "staging", "-o", "json").json
    assert [item["id"] for item in plan["objects"] if item["action"] != "same"] == []
    reason = "the specs differ in parameters.max_depth, parameters.n_estimators, success[0].tolerance"
    assert plan["notes"] == [f"not released: Model/malignant: {reason}"]
    status = {item["id"]: item for item in workspace.mlx("status", "--env", "staging", "-o", "json").json["objects"]}
    assert (status["Model/malignant"]["status"], status["Model/malignant"]["fields"]["notReleased"]) == ("Ready", reason)


def test_a_gate_that_fails_exits_3_with_its_figures_and_writes_nothing(workspace: UserWorkspace) -> None:
    workspace.mlx("apply", "--env", "local", "--yes")
    before = bytes_of(workspace.root / ".mlx/staging") | bytes_of(workspace.root / "stacks")
    said = workspace.mlx("promote", "--to", "staging", "--yes", code=3)
    (told,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert told.startswith("error: not promoted to staging: Model/malignant: roc_auc is 0.")
    assert "below champion version 1; allowed 0.001" in told
    assert bytes_of(workspace.root / ".mlx/staging") | bytes_of(workspace.root / "stacks") == before


def test_a_corrupted_byte_in_the_source_is_refused_by_its_digest(workspace: UserWorkspace) -> None:
    workspace.write("specs/objects.yaml", specs(WEAK, BAR))
    workspace.mlx("apply", "--env", "local", "--yes")
    engine = workspace.root / workspace.status()[f"Model/{MODEL}"]["fields"]["artifact"] / "model.onnx"
    whole = engine.read_bytes()
    engine.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    before = bytes_of(workspace.root / "stacks")
    said = workspace.mlx("promote", "--to", "staging", "--yes", code=1)
    assert hashlib.sha256(whole).hexdigest()[:12] in said.err
    assert "the file is corrupted" in said.err
    assert bytes_of(workspace.root / "stacks") == before
    engine.write_bytes(whole)


def test_the_next_release_and_a_rollback_and_back_again(workspace: UserWorkspace, first: dict[str, Any]) -> None:
    one = lock_of(workspace, "staging")["release"]
    said = promote(workspace, "staging", "--apply")
    two = lock_of(workspace, "staging")["release"]
    assert (said.json["previous"], said.json["release"], said.json["applied"]["updated"]) == (one, two, 4)
    assert predictions(workspace, "staging") != first["answers"]
    workspace.mlx("rollback", "--env", "staging", "--yes")
    assert (lock_of(workspace, "staging")["release"], lock_of(workspace, "staging")["rolledBackFrom"]) == (one, two)
    assert predictions(workspace, "staging") == first["answers"]
    again = workspace.mlx("rollback", "--env", "staging", "--yes")
    assert again.out.startswith(f"Nothing to roll back: staging is pinned to release {one[:12]}, number 3\nNo changes: ")
    workspace.mlx("rollback", "--env", "staging", "--to", "2", "--yes")
    assert lock_of(workspace, "staging")["release"] == two
    assert changes(workspace, "staging") == []
    workspace.mlx("rollback", "--env", "staging", "--to", one[:12], "--yes")
    assert predictions(workspace, "staging") == first["answers"]


def test_the_history_tells_who_released_what_from_where_by_which_gates(workspace: UserWorkspace) -> None:
    told = workspace.mlx("history", "--env", "staging", "-o", "json").json
    one, two = told["releases"][0]["digest"], told["releases"][1]["digest"]
    assert [(item["number"], item["digest"], item["source"], item["rolled_back_from"], item["kept"]) for item in told["releases"]] == [
        (1, one, "local", "", True), (2, two, "local", "", True), (3, one, "local", two, True), (4, two, "local", one, True), (5, one, "local", two, True),
    ]  # fmt: skip
    assert all("@" in item["by"] and item["at"].endswith("Z") for item in told["releases"])
    assert all(item["gates"][MODEL][0].endswith(", at least 0.6") for item in told["releases"])
    assert told["updates"][0]["message"] == f"mlx rollback: release {one[:12]}"
    text = workspace.mlx("history", "--env", "staging").out
    assert text.count(f"    gate  {MODEL}: roc_auc ") == 5


def test_an_environment_that_follows_is_neither_promoted_to_nor_rolled_back(workspace: UserWorkspace) -> None:
    refused = workspace.mlx("rollback", "--env", "local", "--yes", code=1)
    assert refused.err.startswith("error: environment 'local' follows its registry: it has no lock to roll back\n  hint: set the specs back")
    refused = workspace.mlx("promote", "--from", "staging", "--to", "local", "--yes", code=1)
    assert refused.err.startswith("error: environment 'local' follows its registry: nothing is promoted to it\n")
    refused = workspace.mlx("promote", "--from", "local", "--to", "prod", "--yes", code=3)
    assert refused.err.startswith("error: environment 'prod' is promoted from 'staging', not from 'local'\n")


def test_a_promotion_waits_for_nobody_and_says_whose_lock_it_met(workspace: UserWorkspace) -> None:
    with locked(files_of(open_workspace(workspace.root, "prod").stack), 0, print):
        refused = promote(workspace, "prod", code=3)
    assert "error: the stack is locked by " in refused.err
    assert f"(pid {os.getpid()}) since " in refused.err
    assert not (workspace.root / "stacks/prod.lock.yaml").exists()


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(workspace: UserWorkspace) -> None:
    command = workspace.command("promote", "--to", "prod", "--yes", "-o", "json")
    both = [subprocess.Popen(command, cwd=workspace.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [(process.communicate(timeout=120), process.returncode) for process in both]
    won = [code == 0 and json.loads(out)["promoted"] for (out, _), code in said]
    assert sorted(won) == [False, True], said
    ((out, err), code) = said[won.index(False)]
    assert code == 3 or (code == 0 and json.loads(out)["promoted"] is False), (out, err)
    assert "locked by" in err or "changed by another promotion" in err or "Nothing to promote" in err


def test_a_promotion_that_is_killed_anywhere_is_finished_by_the_next(workspace: UserWorkspace, first: dict[str, Any]) -> None:
    script = Path(__file__).parent / "killed_promotion.py"

    def run(at: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), str(at), "prod", "promote", "--to", "prod", "--yes"]
        return subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, timeout=120, check=False)

    def forget() -> None:
        shutil.rmtree(workspace.root / ".mlx/prod", ignore_errors=True)
        (workspace.root / "stacks/prod.lock.yaml").unlink(missing_ok=True)

    forget()
    undisturbed = run(0)
    operations, release = int(undisturbed.stdout.splitlines()[-1]), lock_of(workspace, "prod")["release"]
    whole = bytes_of(workspace.root / ".mlx/prod")
    for number in range(KILLS):
        forget()
        killed = run(1 + number * (operations - 1) // (KILLS - 1))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        workspace.mlx("promote", "--to", "prod", "--yes")
        assert (lock_of(workspace, "prod")["release"], bytes_of(workspace.root / ".mlx/prod")) == (release, whole), f"operation {number}"


def test_prod_serves_what_staging_serves(workspace: UserWorkspace, first: dict[str, Any]) -> None:
    assert lock_of(workspace, "prod")["release"] == lock_of(workspace, "staging")["release"]
    workspace.mlx("apply", "--env", "prod", "--yes")
    assert predictions(workspace, "prod") == first["answers"]
    assert bytes_of(workspace.root / f".mlx/prod/models/{MODEL}") == first["bytes"]


def test_bytes_that_are_lost_are_copied_again_without_another_release(workspace: UserWorkspace, first: dict[str, Any]) -> None:
    lock = (workspace.root / "stacks/prod.lock.yaml").read_bytes()
    shutil.rmtree(workspace.root / f".mlx/prod/models/{MODEL}")
    status = {item["id"]: item for item in workspace.mlx("status", "--env", "prod", "-o", "json").json["objects"]}
    assert status["Model/malignant"]["status"] == "Missing"
    assert promote(workspace, "prod").json["copied"] == [MODEL]
    assert bytes_of(workspace.root / f".mlx/prod/models/{MODEL}") == first["bytes"]
    assert (workspace.root / "stacks/prod.lock.yaml").read_bytes() == lock


def test_a_lock_that_was_edited_by_hand_is_wrong_at_its_place(workspace: UserWorkspace) -> None:
    path = workspace.root / "stacks/prod.lock.yaml"
    text = path.read_text()
    line = text[: text.index("fingerprint:")].count("\n") + 1
    path.write_text(text.replace("fingerprint:", "fingerprnt:"))
    told = workspace.mlx("plan", "--env", "prod", code=1).err
    assert told.startswith(f"stacks/prod.lock.yaml:{line}:5: error: unknown field 'fingerprnt', did you mean 'fingerprint'?\n")
    path.write_text(text.replace(lock_of(workspace, "staging")["models"][MODEL]["fingerprint"], "b" * 64))
    told = workspace.mlx("plan", "--env", "prod", code=1).err
    assert told.startswith("stacks/prod.lock.yaml:5:10: error: the pins below are not those of this release: the file was edited\n")
    path.write_text(text)
    assert changes(workspace, "prod") == []
