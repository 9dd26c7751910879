"""``mlx profile``: what the prepared rows of a dataset hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.options import HERE, Env, Folder, Format

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace


def command(
    name: Annotated[str, typer.Argument(help="The Dataset.")],
    folder: Folder = HERE,
    env: Env = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the page to this HTML file; it works offline.")] = None,
    output: Format = "text",
) -> int:
    """Describe a dataset's prepared rows: distributions, missing values, what goes together, duplicates, time, rejected rows."""
    from mlx_cli.commands.plan import refuse_missing_folder
    from mlx_cli.output import note, paint_for, result, result_json
    from mlx_cli.render.profile import profile_json, profile_page, render_profile
    from mlx_cli.session import object_named, opened, refuse_on_cluster
    from mlx_runtime.profile import profile

    if out is not None:
        refuse_missing_folder(out, folder)
    workspace = opened(folder, env, needs_specs=False)
    dataset = object_named(workspace, name, ("Dataset",)).id
    where = f"the rows of {dataset} are in its storage, which this verb does not read"
    refuse_on_cluster(workspace, where, hint="describe the dataset of an environment on this machine")
    found = profile(prepared_folder(workspace, dataset))
    if out is not None:
        write(profile_page(found), out)
        note(f"wrote {out}")
    if output == "json":
        result_json(profile_json(found, out))
    else:
        result(render_profile(found, paint_for(sys.stdout)))
        if out is None:
            note(f"\n--out {name.split('/')[-1]}.html writes all of it as a page")
    return 0


def prepared_folder(workspace: Workspace, id: str) -> Path:
    """Where the rows stand that were applied last; raises ``UserError`` where there are none."""
    from mlx_stacks.errors import UserError
    from mlx_stacks.status import recorded_by_object
    from mlx_stacks.workspace import open_host

    made = recorded_by_object(open_host(workspace).export_state()).get(id, {}).get("PreparedDataset")
    if made is None:
        raise UserError(f"{id} is not prepared in environment {workspace.name}", hint=f"mlx apply prepares it; mlx why {id} says why it is not")
    return (workspace.root / str(made["path"])).parent


def write(page: str, path: Path) -> None:
    """Writes the page, or says why it cannot be written."""
    from mlx_cli.boundary import UsageError

    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="--out takes a file that you may write") from error
