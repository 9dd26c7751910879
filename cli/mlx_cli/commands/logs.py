"""``mlx logs``: what an endpoint's server or a model's last training run has written."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.options import HERE, Env, Folder

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace

POLL = 0.2
"""Seconds between two looks at a log that is followed."""


def command(
    name: Annotated[str, typer.Argument(help="An Inference (its server's log) or a Model (its last training run's).")],
    folder: Folder = HERE,
    env: Env = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay, and print what is written from now on.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="How many lines, counted from the end.")] = 100,
) -> int:
    """Show the log of an endpoint or of a model's last training run."""
    from mlx_cli.session import object_named, opened

    workspace = opened(folder, env, needs_specs=False)
    show(log_of(workspace, object_named(workspace, name, ("Inference", "Model")).id), last, follow=follow)
    return 0


def log_of(workspace: Workspace, id: str) -> Path:
    """The object's newest log; raises ``UserError`` when there is none."""
    from mlx_specs import layout
    from mlx_stacks.errors import UserError

    kind, name = id.split("/")
    home = workspace.layout.home
    places = {
        "Inference": (layout.endpoint(home, name), "server.log"),
        "Model": (layout.run(home, name, "x").parent, "*/run.log"),
    }
    found = sorted((workspace.root / places[kind][0]).glob(places[kind][1]), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(
            f"{id} has no log in environment {workspace.name}", hint="mlx status shows what runs; a batch inference tells its progress in mlx apply"
        )
    return found[-1]


def show(log: Path, last: int, *, follow: bool) -> None:
    """Prints the end of a log, then what is added, until it is interrupted."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in deque(lines, maxlen=last):
            print(line, end="")
        while follow:
            more = lines.read()
            print(more, end="", flush=True) if more else time.sleep(POLL)
