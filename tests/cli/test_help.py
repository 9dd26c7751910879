"""Help is instant: it reads the table of verbs and imports nothing that a verb would need."""

import json
import subprocess
import sys

import pytest

from mlx_cli.main import VERBS, load

HEAVY = {"pulumi", "kfp", "feast", "mlflow", "pandas", "sklearn", "torch", "numpy", "duckdb", "pyarrow", "yaml", "rich", "grpc", "sqlglot"}
SAY_MODULES = """
import json, sys
from mlx_cli.main import run
code = run(sys.argv[1:])
print("\\n" + json.dumps([code, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def modules_after(*arguments: str) -> set[str]:
    """The top-level modules that a fresh process has imported when the command is over."""
    done = subprocess.run([sys.executable, "-c", SAY_MODULES, *arguments], check=True, capture_output=True, text=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0
    return set(modules)


@pytest.mark.parametrize("arguments", [("--help",), ()], ids=["--help", "no arguments"])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert modules_after(*arguments) & (HEAVY | {"pydantic", "mlx_specs", "mlx_stacks", "mlx_engine"}) == set()


@pytest.mark.parametrize("verb", ["plan", "apply", "predict", "doctor"])
def test_a_verbs_help_imports_no_engine(verb: str) -> None:
    assert modules_after(verb, "--help") & (HEAVY | {"mlx_specs", "mlx_stacks", "mlx_engine"}) == set()


def test_help_lists_every_verb_with_its_sentence(mlx) -> None:
    help_text = " ".join(mlx("--help").out.split())
    assert [verb for verb, sentence in VERBS.items() if f"{verb} {sentence}" not in help_text] == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_what_it_does_and_what_each_option_means(verb: str) -> None:
    command = load(verb)
    assert command.help
    assert [option.name for option in command.params if not getattr(option, "help", None)] == []


def test_completion_offers_verbs_and_options() -> None:
    script = subprocess.run(
        [sys.executable, "-m", "mlx_cli"],
        capture_output=True,
        text=True,
        check=False,
        env={"_MLX_COMPLETE": "complete_bash", "COMP_WORDS": "mlx pl", "COMP_CWORD": "1"},
    )
    assert script.stdout.split() == ["plan"]


def test_the_version_is_the_distributions(mlx) -> None:
    from importlib.metadata import version

    assert mlx("--version").out == f"mlx {version('mlx-iac')}\n"
