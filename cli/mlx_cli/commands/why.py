"""``mlx why``: the one cause of an object's trouble, and what to do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.options import HERE, Env, Folder, Format

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace


def command(
    name: Annotated[str, typer.Argument(help="An object: Kind/name, its name, or a model's alias such as delay@champion.")],
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Show what an object depends on, the one cause of what is wrong, and what to do about it.

    For an object that is well: what it was made of. Nothing is changed.
    """
    from mlx_cli.output import answer, answer_json, paint_for
    from mlx_cli.render.why import render_why, why_json
    from mlx_cli.session import opened
    from mlx_stacks.why import why

    workspace = opened(folder, env, needs_specs=False)
    found = why(workspace, id_of(workspace, name))
    if output == "json":
        answer_json(why_json(found))
    else:
        answer(render_why(found, paint_for(sys.stdout)))
    return 0


def id_of(workspace: Workspace, name: str) -> str:
    """The id of an object by its name; also of one that is applied and no longer declared, or declared and not released."""
    from mlx_cli.session import object_named
    from mlx_stacks.status import recorded_by_object
    from mlx_stacks.workspace import open_host

    kinds = tuple(sorted({node.id.split("/")[0] for node in workspace.graph.objects} - {"Environment"}))
    asked = name.split("@")[0]
    applied = recorded_by_object(open_host(workspace).export_state())
    known = [*applied, *(item.id for item in (workspace.released.unreleased if workspace.released else ()))]
    undeclared = [id for id in known if workspace.graph.get(id) is None and asked in (id, id.split("/")[1])]
    declared = [node.id for node in workspace.graph.objects if asked in (node.id, node.id.split("/")[1])]
    if undeclared and not declared:
        return undeclared[0]
    return object_named(workspace, asked, ("Model",) if "@" in name else kinds).id
