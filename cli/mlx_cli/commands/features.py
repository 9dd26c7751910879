"""``mlx features``: feature stores as they were applied; what a server would read; filling the online store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.boundary import UsageError
from mlx_cli.groups import hand_on, verb_group
from mlx_cli.options import HERE, Env, Folder, Format

if TYPE_CHECKING:
    from mlx_stacks.feature_stores import AppliedStore

group = verb_group()


def moment(text: str) -> datetime:
    """A day or a moment in ISO 8601; without an offset it is UTC."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no moment", hint="write a day or a moment in ISO 8601, such as 2013-10-01 or 2013-10-01T12:00:00Z") from None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


At = Annotated[
    datetime | None, typer.Option("--at", parser=moment, metavar="MOMENT", help="The moment that ages and ttl are counted to, in UTC.", show_default="now")
]
From = Annotated[datetime | None, typer.Option("--from", parser=moment, metavar="MOMENT", help="Only rows known from this moment on, in UTC.")]
To = Annotated[datetime | None, typer.Option("--to", parser=moment, metavar="MOMENT", help="Only rows known up to this moment, in UTC.")]


@group.callback(invoke_without_command=True)
def show(context: typer.Context, folder: Folder = HERE, env: Env = None, output: Format = "text") -> int:
    """Show feature stores and what their online stores hold; with a verb: look features up, materialise, push."""
    if context.invoked_subcommand is None:
        return list_stores(folder, env, output)
    return hand_on(context, folder=str(folder), env=env, output=output)


@group.command("list")
def list_stores(folder: Folder = HERE, env: Env = None, output: Format = "text") -> int:
    """Show feature stores and what their online stores hold."""
    from mlx_cli.output import result, result_json
    from mlx_cli.render.features import store_record, stores_text
    from mlx_cli.session import opened
    from mlx_stacks.feature_stores import feature_stores

    workspace = opened(folder, env, needs_specs=False)
    stores = feature_stores(workspace)
    if output == "json":
        result_json({"environment": workspace.name, "stores": [store_record(store) for store in stores]})
    else:
        result(stores_text(stores, workspace.name))
    return 0


@group.command()
def get(
    service: Annotated[str, typer.Argument(help="The feature service.")],
    keys: Annotated[list[str], typer.Option("--keys", "-k", metavar="KEY=VALUE,…", help="Keys and request columns of a row; once more for another row.")],
    at: At = None,
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Show what a server would read for these keys, how old it is, and where a default stands."""
    from mlx_cli.looked_up import look_up
    from mlx_cli.output import result, result_json
    from mlx_cli.render.features import looked_up_text
    from mlx_cli.session import opened
    from mlx_stacks.feature_stores import store_with

    workspace = opened(folder, env, needs_specs=False)
    moment = at or datetime.now(UTC)
    rows = look_up(store_with(workspace, service).lookup(service), workspace.root, keys, moment)
    if output == "json":
        result_json({"service": service, "at": moment.isoformat(), "rows": rows})
    else:
        result("\n\n".join(map(looked_up_text, rows)))
    return 0


@group.command()
def materialize(
    store: Annotated[str | None, typer.Argument(help="The feature store.", show_default="the only one")] = None,
    start: From = None,
    end: To = None,
    full: Annotated[bool, typer.Option("--full", help="All rows, whatever the store's mode is.")] = False,
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Bring the online store up to date with the data that was applied last. A newer value is never overwritten by an older one."""
    from mlx_cli.output import note, result, result_json
    from mlx_cli.render.features import materialized_text
    from mlx_cli.session import opened
    from mlx_features.client import FeastWorker
    from mlx_stacks.errors import UserError
    from mlx_stacks.feature_stores import store_named

    if full and (start or end):
        raise UsageError("--full takes all rows, --from and --to a part of them", hint="leave one of them out")
    workspace = opened(folder, env, needs_specs=False)
    applied = store_named(workspace, store)
    if applied.online is None:
        raise UserError(f"FeatureStore/{applied.name} is not complete", hint="mlx apply completes it")
    since = start.isoformat() if start else None if full or end else newest_of(applied)
    with FeastWorker(workspace.root) as worker:
        done = worker.materialize(applied.online, since, end.isoformat() if end else None, note)
    if output == "json":
        result_json({"store": applied.name, "path": done.path, "rows": done.rows, "latest": done.latest})
    else:
        result(materialized_text(done))
    return 0


def newest_of(store: AppliedStore) -> str | None:
    """Up to when every view has been materialised by an apply, for data that only grows; None: all rows."""
    online = store.online
    if online is None or online.mode == "full" or online.latest.keys() != {view.name for view in online.definitions.views}:
        return None
    return min(online.latest.values(), default=None)


@group.command()
def push(
    store: Annotated[str, typer.Argument(help="The feature store.")],
    view: Annotated[str, typer.Argument(help="A feature view with push: true.")],
    data: Annotated[Path, typer.Option("--data", "-d", help="Rows with keys, features and event time: Parquet, CSV or JSON lines.")],
    folder: Folder = HERE,
    env: Env = None,
    output: Format = "text",
) -> int:
    """Write rows to the online store, where they count until newer ones come."""
    from mlx_cli.output import result, result_json
    from mlx_cli.session import opened
    from mlx_features.client import FeastWorker
    from mlx_specs.diagnostics import plural
    from mlx_stacks.feature_stores import store_named

    workspace = opened(folder, env, needs_specs=False)
    applied = store_named(workspace, store)
    with FeastWorker(workspace.root) as worker:
        rows = worker.push(applied.registry.home, applied.name, view, data.absolute())
    if output == "json":
        result_json({"store": applied.name, "view": view, "rows": rows})
    else:
        result(f"{plural(rows, 'row')} pushed to {view}")
    return 0
