"""``mlx init`` starts a workspace that is right, and never overwrites one."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mlx_cli.templates import REFERENCE

ROOT = Path(__file__).parents[2]


def test_an_empty_workspace_is_valid(mlx, workspace: Path) -> None:
    outcome = mlx("validate", "-C", workspace)
    assert (outcome.code, outcome.out) == (0, "0 objects in environment local: no errors\n")


def test_the_flights_are_the_reference_workspace_under_a_new_name(mlx, tmp_path: Path) -> None:
    outcome = mlx("init", tmp_path / "My Flights", "--template", "flights", "-o", "json")
    made = json.loads(outcome.out)
    assert (made["name"], made["files"]) == ("my-flights", sorted([*REFERENCE, ".gitignore"]))
    same = [path for path in REFERENCE if (tmp_path / "My Flights" / path).read_text() == (ROOT / path).read_text()]
    assert same == [path for path in REFERENCE if path != "Pulumi.yaml"]
    assert mlx("validate", "-C", tmp_path / "My Flights").code == 0


@pytest.mark.parametrize("before", [True, False], ids=["before the verb", "after it"])
def test_the_folder_of_c_is_the_one_that_it_is_made_in(mlx, tmp_path: Path, before: bool) -> None:
    where = ("-C", tmp_path)
    made = json.loads(mlx(*where, "init", "new", "-o", "json").out if before else mlx("init", "new", *where, "-o", "json").out)
    assert (made["workspace"], (tmp_path / "new" / "Pulumi.yaml").is_file()) == (str(tmp_path / "new"), True)


def test_a_folder_with_spaces_is_quoted_in_the_next_step(mlx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = mlx("init", "we ird näme", "--template", "flights")
    assert outcome.out.splitlines()[-1] == "Next: cd 'we ird näme' && mlx plan, then mlx apply"


def test_nothing_is_overwritten(mlx, workspace: Path) -> None:
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    outcome = mlx("init", workspace, "--template", "flights")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"error: {workspace} already has .gitignore, Pulumi.yaml, specs/schema/ReleaseLock.json, ")
    assert outcome.err.endswith("\n  hint: choose another folder: mlx init NEW-FOLDER --template flights\n")
    assert {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()} == before


def test_every_spec_of_the_reference_workspace_is_in_the_template() -> None:
    there = {str(path.relative_to(ROOT)) for folder in ("specs", "stacks") for path in (ROOT / folder).glob("*.yaml")}
    assert there - set(REFERENCE) == set()


def test_the_wheel_packs_the_reference_workspace(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {path: archive.read(f"mlx_cli/templates/flights/{path}") for path in REFERENCE}
    assert packed == {path: (ROOT / path).read_bytes() for path in REFERENCE}
