"""The options that verbs share, declared once so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Folder = Annotated[Path, typer.Option("--workspace", "-C", help="The workspace, or a folder within it.", show_default="this folder")]
HERE = Path()

Env = Annotated[
    str | None, typer.Option("--env", "-e", envvar="MLX_ENV", help="The environment: a name from stacks/. Left out: the only one, else the one named local.")
]

OfCluster = Annotated[str | None, typer.Option("--cluster", help="A Cluster instead of an environment: it is a stack of its own.")]

Format = Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="text for people, json for machines (its schema: mlx schema --output VERB).")]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
