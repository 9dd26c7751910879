"""The fields of FeatureStore, and those that name its services: a second value for each, and what is seen with the one and the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from feature_trial import Store
from trials import made

STORE: Mapping[str, Any] = {
    "entities": {"row": {"joinKey": "k", "type": "string", "description": "A row."}},
    "featureViews": {
        "values": {
            "entities": ["row"], "source": "days", "features": {"x": "float", "z": "float"}, "createdTime": "written", "ttl": "30d", "online": True,
            "push": False, "defaults": {"x": 0.5}, "description": "First.", "owner": "us", "tags": {"tier": "1"},
        }
    },
    "onDemandViews": {
        "sum": {
            "function": "own_features:add", "inputs": {"views": {"values": ["x"]}, "request": {"w": "float"}}, "features": {"total": "float"},
            "defaults": {"total": -1.0}, "description": "First.", "owner": "us", "tags": {"tier": "1"},
        }
    },
    "featureServices": {
        "all": {"views": {"values": ["x", "z"], "sum": ["total"]}, "description": "First.", "owner": "us", "tags": {"tier": "1"}},
        "some": {"views": {"values": ["z"]}},
    },
    "materialization": {"trigger": "apply", "mode": "full", "start": "2024-01-01"},
}  # fmt: skip
ABOUT = {"description": "A trial.", "owner": "us", "labels": {"tier": "1"}}
VIEW = STORE["featureViews"]["values"]
SECOND_ENTITY = {"other": {"joinKey": "n", "type": "integer"}}


@dataclass(frozen=True)
class FeatureCase:
    """One field with a second value; ``also`` is what has to change with it for the object to hold together."""

    path: str
    value: Any
    seen: Callable[[Store], Any]
    before: Any
    after: Any
    also: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    """What differs in both from the common store."""


def store() -> dict[str, Any]:
    """The common store."""
    return made("FeatureStore", "trial", STORE, **ABOUT)


def joined(column: str) -> Callable[[Store], Any]:
    """The values that are joined to the four rows."""
    return lambda at: at.joined().column(column).to_pylist()


def names(kind: str) -> Callable[[Store], list[str]]:
    """The objects of a kind in Feast's registry."""
    return lambda at: sorted(at.registered(kind))


def said(kind: str, name: str, key: str) -> Callable[[Store], Any]:
    """What the registry says of an object."""
    return lambda at: at.registered(kind)[name].get(key)


def tier(kind: str, name: str) -> Callable[[Store], Any]:
    """The one tag that people wrote; defaults are tags in Feast, too."""
    return lambda at: at.registered(kind)[name]["tags"]["tier"]


def entity_names(at: Store) -> list[str]:
    return sorted(at.registered("featureViews")["values"]["entities"])


def feature_names(at: Store) -> list[str]:
    return sorted(one["name"] for one in at.registered("featureViews")["values"]["features"])


def added(held: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**held, name: value}


V, COMPUTED, S = "FeatureStore.spec.featureViews", "FeatureStore.spec.onDemandViews", "FeatureStore.spec.featureServices"
MORE = {"function": "own_features:add", "inputs": {"request": {"w": "float"}}, "features": {"more": "float"}}
WITH_BOTH = {"FeatureStore.spec.featureViews.*.entities": ["row", "other"]}
ENTITIES: tuple[FeatureCase, ...] = (
    FeatureCase("FeatureStore.spec.entities", {**STORE["entities"], **SECOND_ENTITY}, names("entities"), ["row"], ["other", "row"], WITH_BOTH),
    FeatureCase("FeatureStore.spec.entities.*.joinKey", "n", said("entities", "row", "joinKey"), "k", "n", {"FeatureStore.spec.entities.*.type": "integer"}),
    FeatureCase("FeatureStore.spec.entities.*.type", "string", said("entities", "row", "valueType"), "INT64", "STRING",
                base={"FeatureStore.spec.entities.*.joinKey": "n", "FeatureStore.spec.entities.*.type": "integer"}),
    FeatureCase("FeatureStore.spec.entities.*.description", "Another.", said("entities", "row", "description"), "A row.", "Another."),
)  # fmt: skip
VIEWS: tuple[FeatureCase, ...] = (
    FeatureCase(V, added(STORE["featureViews"], "more", {"entities": ["row"], "source": "days", "features": {"y": "float"}}),
                names("featureViews"), ["values"], ["more", "values"]),
    FeatureCase(f"{V}.*.entities", ["row", "other"], entity_names, ["row"], ["other", "row"],
                {"FeatureStore.spec.entities": {**STORE["entities"], **SECOND_ENTITY}}),
    FeatureCase(f"{V}.*.source", "other-days", joined("x"), [2.0, 0.5, 3.0, 0.5], [12.0, 0.5, 13.0, 0.5]),
    FeatureCase(f"{V}.*.features", {"x": "float", "z": "float", "y": "float"}, feature_names, ["x", "z"], ["x", "y", "z"]),
    FeatureCase(f"{V}.*.createdTime", "rewritten", joined("x"), [2.0, 0.5, 3.0, 0.5], [1.0, 0.5, 3.0, 0.5]),
    FeatureCase(f"{V}.*.ttl", "90d", joined("x"), [2.0, 0.5, 3.0, 0.5], [2.0, 2.0, 3.0, 0.5]),
    FeatureCase(f"{V}.*.online", False, lambda at: at.materialised()["rows"], {"values": 2}, {}),
    FeatureCase(f"{V}.*.push", True, lambda at: "streamSource" in at.registered("featureViews")["values"], False, True),
    FeatureCase(f"{V}.*.defaults", {"x": 0.75}, joined("x"), [2.0, 0.5, 3.0, 0.5], [2.0, 0.75, 3.0, 0.75]),
    FeatureCase(f"{V}.*.description", "Second.", said("featureViews", "values", "description"), "First.", "Second."),
    FeatureCase(f"{V}.*.owner", "them", said("featureViews", "values", "owner"), "us", "them"),
    FeatureCase(f"{V}.*.tags", {"tier": "2"}, tier("featureViews", "values"), "1", "2"),
)  # fmt: skip
ON_DEMAND: tuple[FeatureCase, ...] = (
    FeatureCase(COMPUTED, added(STORE["onDemandViews"], "more", MORE), names("onDemandFeatureViews"), ["sum"], ["more", "sum"]),
    FeatureCase(f"{COMPUTED}.*.function", "own_features:multiply", joined("total"), [3.0, 1.5, -1.0, 1.5], [2.0, 0.5, -1.0, 0.5]),
    FeatureCase(f"{COMPUTED}.*.inputs.views", {"values": ["z"]}, joined("total"), [3.0, 1.5, -1.0, 1.5], [21.0, -1.0, -1.0, -1.0]),
    FeatureCase(f"{COMPUTED}.*.inputs.request", {"v": "float"}, joined("total"), [3.0, 1.5, -1.0, 1.5], [7.0, 5.5, 10.0, 5.5]),
    FeatureCase(f"{COMPUTED}.*.features", {"total": "integer"}, lambda at: str(at.joined().column("total").type), "double", "int64",
                {f"{COMPUTED}.*.defaults": {"total": -1}}, {f"{V}.*.defaults": {"x": 1.0}}),
    FeatureCase(f"{COMPUTED}.*.defaults", {"total": -2.0}, joined("total"), [3.0, 1.5, -1.0, 1.5], [3.0, 1.5, -2.0, 1.5]),
    FeatureCase(f"{COMPUTED}.*.description", "Second.", said("onDemandFeatureViews", "sum", "description"), "First.", "Second."),
    FeatureCase(f"{COMPUTED}.*.owner", "them", said("onDemandFeatureViews", "sum", "owner"), "us", "them"),
    FeatureCase(f"{COMPUTED}.*.tags", {"tier": "2"}, tier("onDemandFeatureViews", "sum"), "1", "2"),
)  # fmt: skip
SERVICES: tuple[FeatureCase, ...] = (
    FeatureCase(S, added(STORE["featureServices"], "more", {"views": {"values": []}}), names("featureServices"), ["all", "some"], ["all", "more", "some"]),
    FeatureCase(f"{S}.*.views", {"values": ["z"], "sum": []}, lambda at: sorted(at.joined().column_names[7:]), ["total", "x", "z"], ["total", "z"]),
    FeatureCase(f"{S}.*.description", "Second.", said("featureServices", "all", "description"), "First.", "Second."),
    FeatureCase(f"{S}.*.owner", "them", said("featureServices", "all", "owner"), "us", "them"),
    FeatureCase(f"{S}.*.tags", {"tier": "2"}, tier("featureServices", "all"), "1", "2"),
)
MATERIALIZATION: tuple[FeatureCase, ...] = (
    FeatureCase("FeatureStore.spec.materialization.trigger", "manual", lambda at: at.materialised()["status"], "Materialised", "NotRun(manual)"),
    FeatureCase("FeatureStore.spec.materialization.mode", "incremental", lambda at: at.keys_after_rows_went_away(), 1, 2),
    FeatureCase("FeatureStore.spec.materialization.start", "2024-01-03", lambda at: at.materialised()["rows"], {"values": 2}, {"values": 1}),
)
METADATA: tuple[FeatureCase, ...] = (
    FeatureCase("FeatureStore.metadata.description", "Another.", said("projects", "trial", "description"), "A trial.", "Another."),
    FeatureCase("FeatureStore.metadata.owner", "them", said("projects", "trial", "owner"), "us", "them"),
    FeatureCase("FeatureStore.metadata.labels", {"tier": "2"}, tier("projects", "trial"), "1", "2"),
)
FEATURE_CASES = (*ENTITIES, *VIEWS, *ON_DEMAND, *SERVICES, *MATERIALIZATION, *METADATA)
