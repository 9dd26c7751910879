"""``mlx monitor``: look now, what was found last, and a page of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.groups import hand_on, verb_group
from mlx_cli.options import HERE, Env, Folder, Format

if TYPE_CHECKING:
    from mlx_stacks.monitors import AppliedMonitor
    from mlx_stacks.workspace import Workspace

group = verb_group()


@group.callback(invoke_without_command=True)
def show(context: typer.Context, folder: Folder = HERE, env: Env = None, output: Format = "text") -> int:
    """Show what each monitor found last; with a verb: look now, or write a report as a page."""
    if context.invoked_subcommand is None:
        return status(folder, env, output)
    return hand_on(context, folder=str(folder), env=env, output=output)


@group.command()
def status(folder: Folder = HERE, env: Env = None, output: Format = "text") -> int:
    """Show what each monitor found last."""
    from mlx_cli.output import result, result_json
    from mlx_cli.render.monitor import latest_text
    from mlx_stacks.monitors import monitors

    workspace = _opened(folder, env, None)
    found = monitors(workspace)
    if output == "json":
        result_json({"environment": workspace.name, "reports": [each.latest.record() for each in found if each.latest is not None]})
    else:
        result(latest_text([(each.id, each.latest) for each in found], workspace.name))
    return 0


@group.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="The Monitors; left out: all.", show_default=False)] = None,
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Look now. Exits with 4 where one that alerts has found drift."""
    from mlx_cli.output import note, paint_for, result, result_json
    from mlx_cli.render.monitor import report_text
    from mlx_runtime.monitor.look import exit_code
    from mlx_runtime.monitor.report import now
    from mlx_stacks.monitors import look_now

    chosen = names or [None]
    workspace = _opened(folder, env, chosen[0])
    reports = [(each, look_now(workspace, each, now())) for name in chosen for each in _chosen(workspace, name)]
    if output == "json":
        result_json({"environment": workspace.name, "reports": [report.record() for _, report in reports]})
    else:
        result("\n\n".join(report_text(report, paint_for(sys.stdout)) for _, report in reports) or f"no monitor was applied to environment {workspace.name}")
    codes = {each.id: exit_code(each.watched.spec, report) for each, report in reports}
    for id, code in codes.items():
        if code:
            note(f"{id} alerts: exit {code}")
    return max(codes.values(), default=0)


@group.command()
def report(
    name: Annotated[str, typer.Argument(help="The Monitor.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the page to this HTML file; it works offline.")] = None,
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Show what a monitor found last, column by column; --out makes a page of it."""
    from mlx_cli.commands.plan import refuse_missing_folder
    from mlx_cli.commands.profile import write
    from mlx_cli.output import note, paint_for, result, result_json
    from mlx_cli.render.monitor import report_page, report_text
    from mlx_stacks.errors import UserError

    if out is not None:
        refuse_missing_folder(out, folder)
    workspace = _opened(folder, env, name)
    (chosen,) = _chosen(workspace, name)
    found = chosen.latest
    if found is None:
        raise UserError(f"{chosen.id} has not looked yet", hint=f"mlx monitor run {chosen.watched.monitor}")
    if out is not None:
        write(report_page(found), out)
        note(f"wrote {out}")
    if output == "json":
        result_json({"environment": workspace.name, "reports": [found.record()]})
    else:
        result(report_text(found, paint_for(sys.stdout)))
        if out is None:
            note(f"\n--out {chosen.watched.monitor}.html writes it as a page, with the distributions side by side")
    return 0


def _opened(folder: Path, env: str | None, name: str | None) -> Workspace:
    """On a cluster monitors look by themselves, and their reports are in the storage."""
    from mlx_cli.session import opened, refuse_on_cluster

    workspace = opened(folder, env, needs_specs=False)
    called = (name or "NAME").removeprefix("Monitor/")
    now = f"kubectl create job {called}-now --from=cronjob/monitor-{called} --namespace {{namespace}}"
    hint = f"mlx logs Monitor/{called} says what it found last; {now} looks now"
    refuse_on_cluster(workspace, "its monitors look by their schedule there, and keep their reports in its storage", hint=hint)
    return workspace


def _chosen(workspace: Workspace, name: str | None) -> tuple[AppliedMonitor, ...]:
    from mlx_cli.session import object_named
    from mlx_stacks.monitors import monitor_named, monitors

    return monitors(workspace) if name is None else (monitor_named(workspace, object_named(workspace, name, ("Monitor",)).id),)
