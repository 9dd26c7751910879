"""Values by the JSON schemas of the kinds: what may stand at a path, and whole objects nobody has written yet.

A kind, a path or a source of chance enters; schemas and plain values leave. Most values are right by their schema; a few are
just beyond its limits.
"""

from random import Random
from typing import Any

from mlx_specs.kinds import KINDS
from mlx_specs.schema import schema

SCHEMAS: dict[str, dict[str, Any]] = {kind: schema(kind) for kind in KINDS}
NAMES = [
    "flights",
    "weather",
    "flight-delays",
    "forecast",
    "planes",
    "carrier-days",
    "tabular",
    "delay",
    "delay-api",
    "delay-checkin",
    "minutes",
    "december-flights",
]
COLUMNS = ["origin", "dest", "carrier", "time_hour", "late", "arr_delay", "dep_delay", "distance", "known_at", "tailnum", "year", "temp", "flights", "source"]
TEXTS = {
    "name": NAMES,
    "column": COLUMNS,
    "sql": ["select * from source", "select origin, count(*) as n from flights group by all", "select 1 as late", "arr_delay is null", "late"],
    "duration": ["1s", "5m", "6h", "1d", "2w", "999999999w"],
    "moment": ["booking", "checkin", "departure", "arrival", "0s", "1h", "-1h", "now"],
    "path": ["mlx_pipelines.tabular:pipeline", "sklearn.linear_model.Ridge", "flight_features:plane_age", "steps:f", "os.system"],
    "model": ["delay@champion", "delay-checkin@champion", "minutes@latest", "delay@", "@champion", "delay@7"],
    "cron": ["0 2 * * *", "*/5 * * * 1-5", "61 * * * *", "0 0 31 2 *", "* * * *"],
    "size": ["4Gi", "512Mi", "2", "0", "1e3", "9" * 30],
    "place": ["file://.mlx/state", "s3://bucket/prefix?region=x", "s3://", "gs://b", "data/*.csv", "../x.csv", "/", "https://example.org/x.csv"],
    "any": ["", "x", "local", "prod", "2013-10-01", "9999-12-31", "roc_auc", "champion", "é", "null", "~", "${var.max_depth}", "a b"],
}
DEEPEST = 7


def document(random: Random, kind: str | None = None) -> dict[str, Any]:
    """A whole object of some kind."""
    kind = kind or random.choice(list(KINDS))
    made = value(SCHEMAS[kind], SCHEMAS[kind], random)
    return {"apiVersion": "mlx/v1", "kind": kind, "metadata": {"name": random.choice(NAMES)}, "spec": made.get("spec", {})}


def at(kind: str, path: tuple[str | int, ...]) -> list[dict[str, Any]]:
    """The schemas that a value at a path of an object may follow; none where the path is not of this kind."""
    root = SCHEMAS.get(kind, {})
    found = branches(root, root)
    for part in path:
        found = [branch for each in found for below in _below(each, part) for branch in branches(below, root)]
    return found


def _below(each: dict[str, Any], part: str | int) -> list[dict[str, Any]]:
    if isinstance(part, int):
        return [each["items"]] if isinstance(each.get("items"), dict) else []
    if part in each.get("properties", {}):
        return [each["properties"][part]]
    return [each["additionalProperties"]] if isinstance(each.get("additionalProperties"), dict) else []


def branches(each: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema with references followed and alternatives side by side."""
    if "$ref" in each:
        return branches(root["$defs"][each["$ref"].rpartition("/")[2]], root)
    alternatives = each.get("anyOf") or each.get("oneOf")
    return [branch for one in alternatives for branch in branches(one, root)] if alternatives else [each]


def members(kind: str, path: tuple[str | int, ...]) -> list[str]:
    """The fields that a map at a path may have."""
    return [name for each in at(kind, path) for name in each.get("properties", {})]


def value(each: dict[str, Any], root: dict[str, Any], random: Random, depth: int = 0, name: str = "") -> Any:
    """Something that the schema allows, or nearly; deep below only what is required."""
    each = random.choice(branches(each, root))
    if "const" in each or "enum" in each:
        return each.get("const", random.choice(each.get("enum", [None])))
    match each.get("type"):
        case "object":
            return _map(each, root, random, depth)
        case "array":
            item = each.get("items", {})
            return [value(item, root, random, depth + 1, name) for _ in range(random.choice((0, 1, 1, 2, 3)) if depth < DEEPEST else 1)]
        case "string":
            return random.choice(TEXTS[_sort_of_text(each, name)])
        case "boolean":
            return random.random() < 0.5
        case "integer" | "number":
            return _number(each, random)
        case "null":
            return None
        case _:
            return random.choice((None, True, 3, 0.5, "x", [1], {"a": 1}))


def _map(each: dict[str, Any], root: dict[str, Any], random: Random, depth: int) -> dict[str, Any]:
    required = each.get("required", [])
    share = 0.35 if depth < DEEPEST else 0.0
    made = {key: value(below, root, random, depth + 1, key) for key, below in each.get("properties", {}).items() if key in required or random.random() < share}
    more = each.get("additionalProperties")
    if isinstance(more, dict) and depth < DEEPEST:
        made |= {random.choice(NAMES + COLUMNS): value(more, root, random, depth + 1) for _ in range(random.choice((0, 1, 2)))}
    return made


def _number(each: dict[str, Any], random: Random) -> int | float:
    low, high = each.get("minimum", each.get("exclusiveMinimum", -3)), each.get("maximum", each.get("exclusiveMaximum", 1000))
    drawn = random.choice((low, high, low - 1, high + 1, random.uniform(low, high), (low + high) / 2))
    return int(drawn) if each.get("type") == "integer" else drawn


SORTS = (
    ("sql", ("sql", "where", "condition", "query")),
    ("duration", ("ttl", "timeout", "every", "window", "tolerance", "timeToLive")),
    ("moment", ("availableAt", "predictAt", "timeline")),
    ("column", ("columns", "keys", "features", "target", "eventTime", "orderBy", "joinKey", "column", "entities")),
    ("path", ("entry", "algorithm", "function")),
    ("model", ("model",)),
    ("cron", ("schedule", "cron")),
    ("size", ("memory", "cpu", "size", "storage")),
    ("place", ("backend", "path", "url", "uri", "package")),
    ("name", ("data", "input", "inputs", "source", "pipeline", "inference", "dataset", "featureService", "views", "name", "cluster")),
)


def _sort_of_text(each: dict[str, Any], name: str) -> str:
    return next((sort for sort, names in SORTS if name in names), "duration" if "(s|m|h|d|w)" in each.get("pattern", "") else "any")
