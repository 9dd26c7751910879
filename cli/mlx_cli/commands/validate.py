"""``mlx validate``: reads specs and nothing else; no engine, no network, no credentials."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mlx_cli.addressed import About, remember
from mlx_cli.boundary import WRONG
from mlx_cli.options import HERE, Env, Folder, Format
from mlx_cli.output import problems_text, result, result_json
from mlx_specs.diagnostics import plural


def command(
    folder: Folder = HERE,
    env: Env = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print the specs as they are for this environment, with the origin of each value.")] = False,
    output: Format = "text",
) -> int:
    """Check every spec of the environment and every Cluster, offline, and tell all problems in one go.

    Exits 0 when there is no error, and 1 otherwise.
    """
    from mlx_specs.clusters import clusters_elsewhere
    from mlx_specs.diagnostics import ordered
    from mlx_stacks.check import check_workspace

    remember(About(env or ""))
    root = workspace_at(folder)
    loaded, found = check_workspace(root, env)
    diagnostics = ordered((*found, *clusters_elsewhere(root, loaded.environment.metadata.name)))
    errors = [item for item in diagnostics if item.severity == "error"]
    if output == "json":
        result_json(as_json(loaded, diagnostics, resolved=resolved))
    else:
        result(as_text(loaded, diagnostics, resolved=resolved))
    return WRONG if errors else 0


def workspace_at(folder: Path) -> Path:
    """The workspace's root."""
    from mlx_specs.layout import find_workspace
    from mlx_stacks.errors import UserError

    root = find_workspace(folder.resolve())
    if root is None:
        raise UserError(f"no workspace at {folder.resolve()} or above: no Pulumi.yaml", hint="go to your workspace, or make one with `mlx init`")
    return root


def as_text(loaded: Any, diagnostics: Any, *, resolved: bool) -> str:
    """Every problem with its place, or what was found to be right."""
    from mlx_specs.resolve import resolved as resolved_text

    problems = [problems_text(diagnostics)] if diagnostics else []
    errors = sum(item.severity == "error" for item in diagnostics)
    if errors or loaded.graph is None:
        return "\n".join([*problems, plural(errors, "error")])
    if resolved:
        return "\n".join([*problems, resolved_text(loaded).rstrip()])
    return "\n".join([*problems, f"{plural(len(loaded.graph.objects), 'object')} in environment {loaded.environment.metadata.name}: no errors"])


def as_json(loaded: Any, diagnostics: Any, *, resolved: bool) -> dict[str, Any]:
    """``mlx schema --output validate``"""
    from mlx_specs.resolve import resolved_json

    value: dict[str, Any] = {
        "valid": not any(item.severity == "error" for item in diagnostics),
        "environment": loaded.environment.metadata.name if loaded.environment else None,
        "diagnostics": [item.as_json() for item in diagnostics],
    }
    if resolved and loaded.graph is not None:
        value["objects"] = resolved_json(loaded)
    return value
