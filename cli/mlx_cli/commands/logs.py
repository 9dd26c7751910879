"""``mlx logs``: what endpoints' servers and models' last training runs have written."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlx_cli.boundary import UsageError
from mlx_cli.options import HERE, Env, Folder, Format

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace

POLL = 0.2
"""Seconds between two looks where nothing is followed yet."""
AGO = re.compile(r"(\d+)\s*(s|m|h|d)")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Inferences (their servers' logs), Models (their last training runs'); on a cluster any object.", show_default="all"),
    ] = None,
    folder: Folder = HERE,
    env: Env = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay, and print what is written from now on.")] = False,
    last: Annotated[int, typer.Option("--last", "--tail", "-n", min=0, help="How many lines of each, counted from the end.")] = 100,
    since: Annotated[str | None, typer.Option("--since", help="Only lines since then: 30s, 10m, 2h, 1d ago, or 2013-10-01T12:00.")] = None,
    output: Format = "text",
) -> int:
    """Show the logs of endpoints and of models' last training runs; of several objects, each line with its object.

    With --follow the history comes first, then what is written, until Ctrl-C; another training of the model is followed too.
    """
    from mlx_cli.session import opened

    if follow and output == "json":
        raise UsageError("a log that is followed has no end, and JSON needs one", hint="leave out --follow, or -o json")
    moment = moment_of(since) if since else None
    workspace = opened(folder, env, needs_specs=False)
    ids = ids_of(workspace, names or [])
    if follow:
        stay(workspace, ids, last, moment)
    else:
        show(workspace, ids, last, moment, output, asked=bool(names))
    return 0


def moment_of(text: str) -> datetime:
    """The moment that ``--since`` names, in this machine's time."""
    ago = AGO.fullmatch(text.strip())
    if ago:
        return datetime.now() - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--since {text!r} is no moment", hint="say 30s, 10m, 2h or 1d ago, or a time such as 2013-10-01T12:00") from error
    return moment.astimezone().replace(tzinfo=None) if moment.tzinfo else moment


def ids_of(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """The objects that were named, or all that can have a log."""
    from mlx_cli.session import object_named
    from mlx_stacks.logs import kinds_with_logs, writers

    kinds = kinds_with_logs(workspace)
    return list(dict.fromkeys(object_named(workspace, name, kinds).id for name in names)) or list(writers(workspace))


def show(workspace: Workspace, ids: Sequence[str], last: int, since: datetime | None, output: str, *, asked: bool) -> None:
    """What is there now. A log that was asked for by name and is not there is an error, told after those that are."""
    from mlx_cli.output import note, result_json
    from mlx_stacks.errors import UserError
    from mlx_stacks.logs import read_logs, why_none

    logs = read_logs(workspace, ids, last, since)
    there = [log for log in logs if not log.refused]
    missing = [id for id in ids if id not in {log.id for log in there}]
    wanted = missing if asked or not there else []
    for log in logs:
        if log.refused and log.id not in wanted:
            note(f"{log.id}: {log.path} has no log: {log.refused}")
    found = [{"id": log.id, "path": log.path, "lines": list(log.lines)} for log in there]
    if found and output == "json":
        result_json({**found[0], "logs": found})
    elif found:
        show_lines(found)
    if wanted or not there:
        reason, hint = why_none(workspace, wanted, logs)
        raise UserError(reason, hint=hint)


def show_lines(found: Sequence[dict[str, Any]]) -> None:
    """The logs one after another; with the object's name before each line where there are several."""
    width = max(len(log["id"]) for log in found) if len(found) > 1 else 0
    for log in found:
        say(log["id"], log["lines"], width)


def stay(workspace: Workspace, ids: Sequence[str], last: int, since: datetime | None) -> None:
    """Prints the end of each log, then what is added to any of them, until it is interrupted."""
    from mlx_cli.output import note
    from mlx_stacks.logs import follow

    width = max(map(len, ids), default=0) if len(ids) > 1 else 0
    followed = follow(workspace, ids)
    for one in followed:
        history = one.begin(last, since)
        say(one.id, history, width)
        if not one.found:
            note(f"{one.id} has no log yet: waiting for it")
    while True:
        for one in followed:
            say(one.id, one.more(), width)
        time.sleep(max((one.pause for one in followed), default=POLL))


def say(id: str, lines: Sequence[str], width: int) -> None:
    """Lines of one object, at once: whoever reads them through a pipe waits for them."""
    from mlx_cli.output import paint_for

    paint = paint_for(sys.stdout)
    for line in lines:
        print(f"{paint(id.ljust(width), 'dim')} | {line}" if width else line)
    if lines:
        sys.stdout.flush()
