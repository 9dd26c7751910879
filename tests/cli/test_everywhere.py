"""What every verb has in common: -C before it or after it, and -o json wherever it prints a result."""

import json
from pathlib import Path

import pytest

from mlx_cli.main import VERBS, load

ARGUMENTS: dict[str, list[str]] = {
    "run": ["tumour-batch"],
    "predict": ["tumour-api", "--data", "rows.json"],
    "logs": ["tumour"],
    "render": ["--out", "rendered"],
    "export": ["tumour", "--to", "edge"],
    "promote": ["--to", "prod"],
    "why": ["tumour"],
    "profile": ["tumours"],
    "apply": ["--yes", "--lock-timeout", "0"],
}
ONLY_LOOKS = ("validate", "schema", "plan", "status", "history", "cancel", "state", "features", "doctor")
"""Verbs that succeed in a workspace where nothing is applied, and leave it so."""


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_prints_a_result_prints_json_too(verb: str) -> None:
    assert [option.name for option in load(verb).params if "-o" in getattr(option, "opts", ())] == ["output"]


@pytest.mark.parametrize("verb", ONLY_LOOKS)
def test_what_only_looks_prints_nothing_but_json(verb: str, mlx, tiny: Path) -> None:
    outcome = mlx("-C", tiny, verb, "-o", "json")
    assert (outcome.code, type(json.loads(outcome.out))) == (0, dict)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("init", "schema")])
def test_the_workspace_is_named_before_or_after_the_verb(verb: str, mlx, tmp_path: Path) -> None:
    rest = ARGUMENTS.get(verb, [])
    before, after = mlx("-C", tmp_path, verb, *rest), mlx(verb, *rest, "-C", tmp_path)
    assert before == after or verb == "doctor"  # which names a port that is free at that moment
    assert f"at {tmp_path} or above" in before.out + before.err


def test_a_workspace_named_after_the_verb_wins(mlx, tiny: Path, tmp_path: Path) -> None:
    assert mlx("-C", tmp_path / "gone", "validate", "-C", tiny).code == 0


def test_a_new_workspace_is_made_where_minus_c_says(mlx, tmp_path: Path) -> None:
    assert mlx("-C", tmp_path / "new", "init").code == 0
    assert (tmp_path / "new" / "Pulumi.yaml").is_file()
