"""A reader that leaves, as after ``| head -1``: what changes something goes on, what only reads ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def dataset(tiny: Path) -> Path:
    """The workspace with its dataset alone: enough to be changed."""
    specs = tiny / "specs/tiny.yaml"
    specs.write_text(next(part for part in specs.read_text().split("\n---\n") if "kind: Dataset" in part))
    return tiny


def unread(folder: Path, *arguments: str) -> int:
    """The exit code of a verb whose output, all of it, goes to a pipe that nobody reads."""
    process = subprocess.Popen([sys.executable, "-m", "mlx_cli", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.close()
    return process.wait()


def test_an_apply_and_a_destroy_that_nobody_reads_are_done_to_the_end(mlx, dataset: Path) -> None:
    assert unread(dataset, "apply", "--yes") == 0
    assert [item["status"] for item in json.loads(mlx("status", "-C", dataset, "-o", "json").out)["objects"]] == ["Ready"]
    assert unread(dataset, "destroy", "--yes") == 0
    assert json.loads(mlx("state", "-C", dataset, "-o", "json").out)["resources"] == []


def test_a_failure_that_nobody_reads_has_its_exit_code(dataset: Path) -> None:
    stack = dataset / "stacks/local.yaml"
    stack.write_text(f"{stack.read_text()}spec: {{protect: true}}\n")
    assert unread(dataset, "apply", "--yes") == 0
    assert unread(dataset, "destroy", "--yes") == 3
    assert unread(dataset, "apply") == 0
    assert unread(dataset, "why", "Dataset/none") == 1


@pytest.mark.parametrize("verb", ["plan", "status", "history", "validate"])
def test_a_verb_that_only_reads_ends_quietly(verb: str, dataset: Path) -> None:
    assert unread(dataset, verb) == 0


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_descriptor_that_the_shell_closed_is_one_that_nobody_reads(closed: str, dataset: Path) -> None:
    verbs = "status history plan validate"
    line = f'for verb in {verbs}; do "{sys.executable}" -m mlx_cli "$verb" {closed} || exit; done; "{sys.executable}" -m mlx_cli apply --yes {closed}'
    done = subprocess.run(["sh", "-c", line], cwd=dataset, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "Error" in line or "ignored" in line]) == (0, [])
