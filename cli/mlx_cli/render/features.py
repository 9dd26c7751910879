"""Feature stores, looked-up features and materialisations as text; a store as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlx_cli.output import cell, columns, duration
from mlx_specs.diagnostics import plural

if TYPE_CHECKING:
    from mlx_specs.feature_resources import OnDemandDefinition, OnlineFeaturesOutputs, ViewDefinition
    from mlx_stacks.feature_stores import AppliedStore

DAY = 86_400


def store_record(store: AppliedStore) -> dict[str, Any]:
    """A store's views and services, and what it holds online."""
    rows = store.online.rows if store.online else {}
    latest = store.online.latest if store.online else {}
    views = [
        _view(view, entities=[entity.join_key for entity in view.entities], kind="view", ttl=view.ttl, online=view.online, push=view.push)
        | {"rows": rows.get(view.name, 0), "latest": latest.get(view.name, "")}
        for view in store.definitions.views
    ]
    computed = [_view(view, entities=[field.name for field in view.request], kind="on demand") for view in store.definitions.on_demand]
    services = [{"name": one.name, "features": [name for names in one.views.values() for name in names]} for one in store.definitions.services]
    return {"store": store.name, "path": store.registry.path, "views": [*views, *computed], "services": services}


def _view(
    view: ViewDefinition | OnDemandDefinition, *, entities: list[str], kind: str, ttl: int = 0, online: bool = True, push: bool = False
) -> dict[str, Any]:
    """``entities`` are the columns by which it is looked up, or that it computes from."""
    features = {field.name: field.type for field in view.features}
    return {
        "name": view.name, "kind": kind, "entities": entities, "features": features, "ttl": ttl, "online": online, "push": push, "rows": 0, "latest": "",
    }  # fmt: skip


def stores_text(stores: Sequence[AppliedStore], environment: str) -> str:
    """A table of views for each store, then its services."""
    return "\n\n".join(map(_store_text, stores)) if stores else f"no feature store was applied to environment {environment}"


def _store_text(store: AppliedStore) -> str:
    record = store_record(store)
    rows = [
        [view["name"], ", ".join(view["entities"]), ", ".join(view["features"]), _online(view), view["latest"]]
        for view in record["views"]
    ]  # fmt: skip
    services = [[one["name"], ", ".join(one["features"])] for one in record["services"]]
    tables = [columns(rows, indent="  ", header=["view", "by", "features", "online", "latest"]), columns(services, indent="  ", header=["service", "features"])]
    return "\n".join([f"FeatureStore/{store.name}  {record['path']}", *tables])


def _online(view: dict[str, Any]) -> str:
    if view["kind"] == "on demand":
        return "computed"
    if not view["online"]:
        return "no"
    return plural(view["rows"], "key") + (", push" if view["push"] else "") + (f", ttl {age_text(view['ttl'])}" if view["ttl"] else "")


def looked_up_text(row: dict[str, Any]) -> str:
    """The keys, then a line for each feature."""
    keys = ", ".join(f"{name}={'null' if value is None else value}" for name, value in row["keys"].items())
    lines = [
        [one["name"], "null" if one["value"] is None else cell(one["value"]), one["view"], age_text(one["age_seconds"]), _why(one)] for one in row["features"]
    ]
    return "\n".join([keys, columns(lines, indent="  ", header=["feature", "value", "view", "age", ""])])


def _why(feature: dict[str, Any]) -> str:
    stands = "null" if feature["value"] is None else "its default"
    return f"{feature['missing']}: {stands} stands" if feature["missing"] else ""


def materialized_text(done: OnlineFeaturesOutputs) -> str:
    """A line for each view."""
    rows = [[view, plural(count, "key"), f"the newest of {done.latest[view]}" if view in done.latest else ""] for view, count in sorted(done.rows.items())]
    return columns(rows) if rows else "no view is served online"


def age_text(seconds: float | None) -> str:
    """``2 d``, ``3 h 20 min``, ``12 s``; ``2 d ahead`` of what is newer than the moment."""
    if seconds is None:
        return ""
    if seconds < 0:
        return f"{age_text(-seconds)} ahead"
    if seconds < 3600:
        return duration(seconds)
    if seconds < 2 * DAY:
        return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"
    return f"{seconds / DAY:.0f} d"
