"""``mlx init``: the files of a new workspace; never overwrites one."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, assert_never

import typer

from mlx_cli.boundary import UsageError
from mlx_cli.options import HERE, Format
from mlx_cli.output import result, result_json

Template = Literal["empty", "flights"]


def command(
    folder: Annotated[Path, typer.Argument(help="The new workspace's folder.", show_default="this folder")] = Path(),
    template: Annotated[
        Template, typer.Option("--template", "-t", help="empty: no objects; flights: data, model, endpoint and batch on New York's flights.")
    ] = "empty",
    name: Annotated[str, typer.Option("--name", help="The project's name.", show_default="the folder's name")] = "",
    base: Annotated[Path, typer.Option("--workspace", "-C", help="The folder that the new one stands in.", show_default="this folder")] = HERE,
    output: Format = "text",
) -> int:
    """Start a workspace: an empty one, or New York's flights. Nothing that exists is overwritten."""
    folder = base / folder
    project = name or project_name(folder.resolve().name)
    files = files_of(template, project)
    write(files, folder, template)
    if output == "json":
        result_json({"workspace": str(folder.resolve()), "name": project, "files": sorted(files)})
    else:
        result("\n".join([f"A new workspace in {folder.resolve()}:", *(f"  {path}" for path in sorted(files)), "", next_step(template, folder)]))
    return 0


def project_name(folder: str) -> str:
    """A project name that Pulumi accepts, after the folder's."""
    return re.sub(r"[^a-z0-9-]+", "-", folder.lower()).strip("-")[:40] or "workspace"


def files_of(template: Template, name: str) -> Mapping[str, str]:
    """The template's files: path and text."""
    from mlx_cli import templates

    match template:
        case "empty":
            return templates.empty(name)
        case "flights":
            return templates.flights(name)
        case other:
            assert_never(other)


def write(files: Mapping[str, str], folder: Path, template: Template) -> None:
    """Writes all files, or none where one of them exists."""
    there = [path for path in sorted(files) if (folder / path).exists()]
    if there:
        raise UsageError(f"{folder.resolve()} already has {', '.join(there)}", hint=f"choose another folder: mlx init NEW-FOLDER --template {template}")
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}", hint="choose a folder that you may write to") from error


def next_step(template: Template, folder: Path) -> str:
    """What to type now."""
    go = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    match template:
        case "empty":
            return f"Next: write specs/*.yaml (mlx schema Dataset shows the fields), then {go}mlx plan"
        case "flights":
            return f"Next: {go}mlx plan, then mlx apply"
        case other:
            assert_never(other)
