"""Wrong input gives a message and a hint, never a traceback, whatever the verb."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlx_cli.boundary import UsageError
from mlx_cli.commands.apply import confirm
from mlx_cli.main import VERBS

ARGUMENTS: dict[str, list[str]] = {
    "run": ["nothing"],
    "predict": ["nothing", "--data", "rows.json"],
    "logs": ["nothing"],
    "render": ["--out", "rendered"],
    "export": ["nothing", "--to", "edge"],
    "promote": ["--to", "lokal"],
    "why": ["nothing"],
    "profile": ["nothing"],
}
IN_A_WORKSPACE = [verb for verb in VERBS if verb not in ("init", "schema", "doctor")]
YES = {"cancel", "destroy", "apply", "run"}


def line(verb: str, folder: Path) -> list[str]:
    """A complete command line for the verb."""
    return [verb, *ARGUMENTS.get(verb, []), *(["--yes"] if verb in YES else []), "-C", str(folder)]


@pytest.mark.parametrize("verb", IN_A_WORKSPACE)
def test_outside_a_workspace_every_verb_says_how_to_make_one(verb: str, mlx, tmp_path: Path) -> None:
    outcome = mlx(*line(verb, tmp_path))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"error: no workspace at {tmp_path} or above: no Pulumi.yaml\n  hint: go to your workspace, or make one with `mlx init`\n"


@pytest.mark.parametrize("verb", IN_A_WORKSPACE)
def test_an_environment_that_does_not_exist_is_named_with_those_that_do(verb: str, mlx, tiny: Path) -> None:
    outcome = mlx(*line(verb, tiny), *(() if verb == "promote" else ("--env", "lokal")))
    told = outcome.out + outcome.err
    assert outcome.code == 1
    assert "'lokal'" in told
    assert "local" in told.replace("lokal", "")
    assert "Traceback" not in told


def test_an_export_of_a_model_that_does_not_exist_or_has_no_version_says_what_to_do(mlx, tiny: Path, tmp_path: Path) -> None:
    unknown = mlx("export", "tumor@2", "--to", tmp_path / "edge", "-C", tiny)
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.startswith("error: there is no Model called 'tumor' in environment local, did you mean 'tumour'?")
    waiting = mlx("export", "tumour", "--to", tmp_path / "edge", "-C", tiny)
    assert (waiting.code, waiting.err) == (1, "error: model 'tumour' has no version yet\n  hint: mlx apply trains it\n")
    assert not (tmp_path / "edge").exists()


@pytest.mark.parametrize("verb", ["run", "predict", "logs"])
def test_an_object_that_does_not_exist_is_named_with_those_that_do(verb: str, mlx, tiny: Path) -> None:
    outcome = mlx(*line(verb, tiny))
    kinds = "Inference or Model" if verb == "logs" else "Inference"
    assert outcome.code == 1
    assert f"error: there is no {kinds} called 'nothing' in environment local" in outcome.err
    assert "Inference/tumour-api" in outcome.err


LOOK_OR_RESCUE = {
    "promote",
    "export",
    "monitor",
    "state",
    "features",
    "status",
    "history",
    "logs",
    "predict",
    "why",
    "profile",
    "ui",
    "rollback",
    "cancel",
    "destroy",
}
"""They work in the middle of an edit, whatever the specs say."""


@pytest.mark.parametrize("verb", [verb for verb in IN_A_WORKSPACE if verb not in LOOK_OR_RESCUE])
def test_specs_with_errors_are_told_with_their_places(verb: str, mlx, tiny: Path) -> None:
    specs = tiny / "specs" / "tiny.yaml"
    specs.write_text(specs.read_text().replace("target: malignant", "targt: malignant"))
    outcome = mlx(*line(verb, tiny))
    assert outcome.code == 1
    assert "specs/tiny.yaml:25:3: error: unknown field 'targt', did you mean 'target'?\n      targt: malignant\n" in outcome.out + outcome.err


WRONG_LINES = [
    ["paln"],
    ["--evn", "x"],
    ["plan", "--evn", "x"],
    ["plan", "-o", "yaml"],
    ["plan", "too", "much"],
    ["predict"],
    ["predict", "tumour-api"],
    ["history", "-n", "none"],
    ["apply", "no-such-plan.json"],
    ["schema", "Modle"],
    ["schema", "-o", "plam"],
    ["init", "--template", "empy"],
]


def test_a_wrong_command_line_is_told_with_what_to_type(mlx, tiny: Path, golden) -> None:
    told: list[str] = []
    for arguments in WRONG_LINES:
        outcome = mlx(*arguments)
        assert (outcome.code, outcome.out) == (1, ""), arguments
        told.append(f"$ mlx {' '.join(arguments)}\n{outcome.err}")
    golden("wrong-command-lines.txt", "\n".join(told))


def test_a_folder_that_is_not_there_is_named(mlx, tmp_path: Path) -> None:
    outcome = mlx("plan", "-C", tmp_path / "gone")
    assert (outcome.code, outcome.err) == (1, f"error: {tmp_path / 'gone'} is not a folder\n  hint: -C takes the workspace's folder\n")


def test_without_a_terminal_a_change_needs_yes(mlx, tiny: Path) -> None:
    outcome = mlx("apply", "-C", tiny)
    assert outcome.code == 1
    assert outcome.err.endswith("error: there is no terminal to ask on: Apply these changes?\n  hint: the same command with --yes does it\n")


@pytest.mark.parametrize("verb", ["plan", "status", "history"])
def test_a_cluster_and_an_environment_at_once_are_two_stacks(mlx, tiny: Path, verb: str) -> None:
    outcome = mlx(verb, "-C", tiny, "--env", "local", "--cluster", "main")
    assert outcome.code == 1
    assert outcome.err == "error: --env and --cluster name two stacks\n  hint: a cluster is a stack of its own: give one of them\n"


def test_cancel_without_a_lock_has_nothing_to_ask(mlx, tiny: Path) -> None:
    outcome = mlx("cancel", "-C", tiny)
    assert (outcome.code, outcome.out, outcome.err) == (0, "environment local is not locked: there is nothing to cancel\n", "")


def test_cancel_asks_before_it_takes_somebodys_lock(mlx, tiny: Path) -> None:
    lock = tiny / ".mlx/state/.pulumi/locks/organization/tiny/local/abc.json"
    lock.parent.mkdir(parents=True)
    lock.write_text('{"pid": 7, "username": "ann", "hostname": "elsewhere", "timestamp": "2030-01-01T00:00:00Z"}')
    outcome = mlx("cancel", "-C", tiny)
    holder = "ann@elsewhere (pid 7) since 2030-01-01T00:00:00Z"
    assert (outcome.code, outcome.err) == (1, f"error: environment local is locked by {holder}\n  hint: if that update is gone: mlx cancel --yes\n")
    assert mlx("cancel", "-C", tiny, "--yes").out == f"removed the lock of {holder}\n"


def test_an_environment_or_a_cluster_that_does_not_exist_is_the_only_error_and_where_its_name_comes_from_is_told(
    mlx, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in ("plan", "status"):
        outcome = mlx(verb, "-C", tiny, "--env", "nope")
        assert (outcome.code, outcome.out, outcome.err) == (1, "", "error: unknown environment 'nope'\n  hint: there is only local\n")
        outcome = mlx(verb, "-C", tiny, "--cluster", "nope")
        assert (outcome.code, outcome.out, outcome.err) == (1, "", "error: there is no Cluster 'nope'\n  hint: write one in specs/ with kind: Cluster\n")
    monkeypatch.setenv("MLX_ENV", "nope")
    outcome = mlx("plan", "-C", tiny)
    told = "error: unknown environment 'nope' (MLX_ENV)\n  hint: there is only local; --env NAME overrules the variable MLX_ENV\n"
    assert (outcome.code, outcome.out, outcome.err) == (1, "", told)


def test_a_saved_plan_of_another_environment_is_refused_even_where_it_changes_nothing(mlx, workspace: Path) -> None:
    local = (workspace / "stacks/local.yaml").read_text()
    (workspace / "stacks/dev.yaml").write_text(local.replace("name: local", "name: dev"))
    assert mlx("plan", "-C", workspace, "--env", "local", "--out", workspace / "plan.json").code == 0
    outcome = mlx("apply", workspace / "plan.json", "-C", workspace, "--env", "dev")
    told = f"error: {workspace / 'plan.json'}: this plan is for work/local, not work/dev\n  hint: apply it there: mlx apply PLAN --env local\n"
    assert (outcome.code, outcome.out, outcome.err) == (1, "", told)


def test_a_promotion_without_a_terminal_suggests_the_same_command_with_yes() -> None:
    with pytest.raises(UsageError, match=r"^there is no terminal to ask on: Promote these to staging\?$") as refused:
        confirm("Promote these to staging?", yes=False)
    assert refused.value.hint == "the same command with --yes does it"


def test_a_saved_plan_that_is_none_is_refused(mlx, tiny: Path) -> None:
    (tiny / "plan.json").write_text("{}")
    outcome = mlx("apply", tiny / "plan.json", "-C", tiny)
    assert (outcome.code, outcome.err) == (1, f"error: {tiny / 'plan.json'}: this is not a plan\n  hint: make one: mlx plan --out plan.json\n")


def test_an_endpoint_that_does_not_run_is_told_with_its_status(mlx, tiny: Path) -> None:
    rows = tiny / "rows.json"
    rows.write_text("[]")
    outcome = mlx("predict", "tumour-api", "--data", rows, "-C", tiny)
    assert (outcome.code, outcome.err) == (
        1,
        "error: Inference/tumour-api does not answer: it is NotApplied\n  hint: mlx apply starts it\n",
    )


def test_a_batch_that_is_asked_says_how_it_is_run(mlx, tiny: Path) -> None:
    outcome = mlx("predict", "tumour-batch", "--data", tiny / "rows.json", "-C", tiny)
    assert (outcome.code, outcome.err) == (
        1,
        "error: Inference/tumour-batch is not an endpoint but a batch inference\n"
        "  hint: mlx run tumour-batch scores its dataset; mlx status says where the predictions are\n",
    )


def test_only_a_batch_can_be_run(mlx, tiny: Path) -> None:
    outcome = mlx("run", "tumour-api", "-C", tiny)
    assert (outcome.code, outcome.err) == (
        1,
        "error: Inference/tumour-api is not a batch inference\n  hint: ask it for predictions: mlx predict tumour-api --data FILE\n",
    )


def test_a_log_that_does_not_exist_is_told(mlx, tiny: Path) -> None:
    outcome = mlx("logs", "tumour", "-C", tiny)
    assert (outcome.code, outcome.err) == (
        1,
        "error: Model/tumour has no log in environment local\n  hint: mlx status shows what runs; a batch inference tells its progress in mlx apply\n",
    )


def test_doctor_tells_what_is_missing_and_what_to_do(mlx, tmp_path: Path) -> None:
    outcome = mlx("doctor", "-C", tmp_path)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1] == f"bad  workspace  none at {tmp_path} or above; make one: mlx init"


def test_doctor_points_to_validate_where_specs_are_wrong(mlx, tiny: Path) -> None:
    (tiny / "specs" / "tiny.yaml").write_text("kind: Modle\n")
    outcome = mlx("doctor", "-C", tiny)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1].startswith("bad  specs      ")
    assert "mlx validate tells each with its place" in outcome.out


def test_mlx_env_chooses_the_environment_and_a_wrong_one_is_told(tiny: Path) -> None:

    done = subprocess.run(
        [sys.executable, "-m", "mlx_cli", "validate"], cwd=tiny, env={**os.environ, "MLX_ENV": "prod"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "prod" in done.stdout


def test_an_environment_that_does_not_exist_is_the_only_problem(mlx, tiny: Path) -> None:
    specs = tiny / "specs" / "tiny.yaml"
    here = "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\nspec: {variables: {strength: 1.0}}\n"
    (tiny / "stacks" / "local.yaml").write_text(here)
    pipeline = "metadata: {name: tabular}\n"
    specs.write_text(specs.read_text().replace("C: 1.0", "C: '${var.strength}'").replace(pipeline, f"{pipeline}environments: [local]\n"))
    assert mlx("validate", "-C", tiny).code == 0
    assert mlx("validate", "-C", tiny, "--env", "nosuch").out == "stacks: error: unknown environment 'nosuch'\n    = there is only local\n1 error\n"


@pytest.mark.parametrize("path", ["specs/z.yaml", "specs/z.py", "stacks/z.yaml"])
def test_a_link_that_leads_nowhere_is_told(path: str, mlx, tiny: Path) -> None:
    (tiny / path).symlink_to("nowhere.yaml")
    outcome = mlx("validate", "-C", tiny)
    assert (outcome.code, outcome.out) == (1, f"{path}: error: the file cannot be read: No such file or directory\n1 error\n")


def test_data_that_is_not_there_is_told_with_its_dataset(mlx, tiny: Path) -> None:
    (tiny / "data" / "tumours.csv").unlink()
    outcome = mlx("plan", "-C", tiny)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"error: Dataset/tumours: file 'data/tumours.csv' is not in the workspace\n  hint: looked at {tiny / 'data' / 'tumours.csv'}\n"


def test_only_what_checks_and_changes_things_prints_the_warnings_of_the_specs(mlx, tiny: Path) -> None:
    specs = tiny / "specs" / "tiny.yaml"
    specs.write_text(specs.read_text().replace("mode: realtime, model: tumour@champion", "mode: realtime, model: quakes@champion"))
    warning = "warning: Model 'quakes' is not declared yet"
    looks = [verb for verb in IN_A_WORKSPACE if verb not in {*YES, "ui"}]  # ui serves until it is interrupted
    told = {verb: warning in outcome.out + outcome.err for verb in looks for outcome in [mlx(*line(verb, tiny))]}
    assert [verb for verb, warned in told.items() if warned] == [verb for verb in told if verb in ("validate", "plan", "render")]
    assert warning in mlx("apply", "-C", tiny).err


def test_validate_checks_clusters_of_other_environments(mlx, tiny: Path) -> None:
    """No environment has a say in a Cluster, so that a wrong one is found from any; other verbs are not stopped by it."""
    cluster = "apiVersion: mlx/v1\nkind: Cluster\nmetadata: {name: spare}\nenvironments: [dev]\nspec:\n  provider: aks\n  region: eastus\n"
    pools = "  aks: {resourceGroup: ml}\n  nodePools:\n    general: {intent: general, machine: Standard_D4_v5}\n"
    (tiny / "specs/cluster.yaml").write_text(cluster + pools)
    (tiny / "stacks/dev.yaml").write_text((tiny / "stacks/local.yaml").read_text().replace("name: local", "name: dev"))
    told = mlx("validate", "--env", "local", "-C", tiny)
    message = "error: our table of aks has no machine 'Standard_D4_v5', did you mean 'Standard_D4s_v5'?"
    assert (told.code, told.out.splitlines()[0]) == (1, f"specs/cluster.yaml:10:41: {message}")
    assert told.out.splitlines()[-1] == "1 error"
    assert mlx("plan", "--env", "local", "-C", tiny).code == 0
