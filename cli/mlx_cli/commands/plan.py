"""``mlx plan``: what an apply would do, and what that means; changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.boundary import CHANGES, DONE
from mlx_cli.options import HERE, Env, Folder, Format, OfCluster

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace


def command(
    folder: Folder = HERE,
    env: Env = None,
    cluster: OfCluster = None,
    out: Annotated[Path | None, typer.Option("--out", help="Save the plan to this file, for `mlx apply FILE`.")] = None,
    detailed_exitcode: Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes.")] = False,
    output: Format = "text",
) -> int:
    """Show what apply would change, object by object, and what that means for data, models and endpoints.

    Direct changes show the fields that differ; indirect ones name what they follow from. Nothing is changed.
    """
    import sys

    from mlx_cli.output import answer, paint_for, result_json
    from mlx_cli.progress import quiet
    from mlx_cli.render.plan import render_plan
    from mlx_cli.session import opened
    from mlx_engine.host import EngineError
    from mlx_stacks.plan import make_plan

    if out is not None:
        refuse_missing_folder(out, folder)
    workspace = opened(folder, env, cluster=cluster, warn=True, output=output)
    try:
        plan = make_plan(workspace, quiet)
    except EngineError:
        if output == "text":
            tell_costs(workspace)
        raise
    if out is not None:
        save(plan.to_json(), out)
    if output == "json":
        result_json(json.loads(plan.to_json()))
    else:
        answer(render_plan(plan, paint_for(sys.stdout)))
    return CHANGES if detailed_exitcode and plan.changed else DONE


def tell_costs(workspace: Workspace) -> None:
    """What the pools of a cloud's cluster hold and cost is known from the specs alone, whatever keeps the rest from being planned."""
    from mlx_cli.output import answer
    from mlx_cli.render.pools import render_pools
    from mlx_stacks.cluster_program import pools_now

    if workspace.cluster is not None and workspace.cluster.spec.provider != "existing":
        answer(render_pools(pools_now(workspace, workspace.cluster)))


def refuse_missing_folder(path: Path, folder: Path) -> None:
    """Said before anything is planned: a folder that is only misspelt is not made. The workspace's own ``.mlx`` may be."""
    from mlx_cli.boundary import UsageError
    from mlx_specs.layout import find_workspace

    root = find_workspace(folder.resolve())
    ours = root is not None and path.resolve().parent == root / ".mlx"
    if not ours and not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: the folder {path.parent} is not there", hint=f"make it first: mkdir -p {path.parent}")


def save(text: str, path: Path) -> None:
    """Writes the plan, or says why it cannot be written."""
    from mlx_cli.boundary import UsageError

    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="--out takes a file that you may write") from error
