"""Everything that can be said about a workspace without running anything: loading, and the rules between specs."""

from pathlib import Path

from mlx_specs.diagnostics import Diagnostic
from mlx_specs.load import Loaded, collector_paused, drafted, loaded
from mlx_specs.rules import problems


def validate(workspace: Path, environment: str | None = None) -> list[Diagnostic]:
    """All problems of one environment, sorted by file and line."""
    return check(workspace, environment)[1]


def check(workspace: Path, environment: str | None = None) -> tuple[Loaded, list[Diagnostic]]:
    """The environment and its graph after all rules, with all problems: what plan and apply start from."""
    with collector_paused():
        draught = drafted(workspace, environment)
        result = loaded(draught, problems(draught))
        return result, list(result.diagnostics)
