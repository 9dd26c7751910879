"""Where a plan goes, and what stands in its place: no folder for it, specs with errors, no specs at all."""

import json
from pathlib import Path

import jsonschema
import pytest

from mlx_cli.outputs import OUTPUTS


def test_a_folder_that_is_not_there_is_told_and_not_made(mlx, workspace: Path) -> None:
    missing = workspace / "missing" / "plan.json"
    outcome = mlx("plan", "-C", workspace, "--out", missing)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"error: cannot write {missing}: the folder {missing.parent} is not there\n  hint: make it first: mkdir -p {missing.parent}\n"
    assert not missing.parent.exists()


def test_the_workspaces_own_folder_is_made(mlx, workspace: Path) -> None:
    assert mlx("plan", "-C", workspace, "--out", workspace / ".mlx" / "plan.json").code == 0
    assert json.loads((workspace / ".mlx" / "plan.json").read_text())["objects"] == []


@pytest.mark.parametrize("arguments", [("plan",), ("apply", "--yes"), ("run", "tumour-batch"), ("refresh",)], ids=lambda arguments: arguments[0])
def test_specs_with_errors_are_the_json_result_as_validate_has_them(arguments: tuple[str, ...], mlx, tiny: Path) -> None:
    (tiny / "specs" / "wrong.yaml").write_text("apiVersion: mlx/v1\nkind: Dataset\nmetadata: {name: wrong}\nspec: {sorce: 1}\n")
    told, validated = (mlx(*verb, "-C", tiny, "-o", "json") for verb in (arguments, ("validate",)))
    value = json.loads(told.out)
    jsonschema.validate(value, OUTPUTS[arguments[0]])
    assert (told.code, value["valid"], value["diagnostics"]) == (1, False, json.loads(validated.out)["diagnostics"])


def test_without_specs_plan_and_apply_say_so(mlx, workspace: Path) -> None:
    said = (
        "No changes.\n  note  no specs in specs/ for environment local: nothing to do; "
        "write some (mlx schema Dataset shows the fields), or look at an example: mlx init NEW-FOLDER --template flights\n"
    )
    for verb in (("plan",), ("apply", "--yes")):
        outcome = mlx(*verb, "-C", workspace)
        assert (outcome.code, outcome.out) == (0, said)
    assert mlx("status", "-C", workspace).out == said.partition("note  ")[2]
    assert mlx("refresh", "-C", workspace).out == "Nothing is applied yet: mlx apply\n"
