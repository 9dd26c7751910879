"""What ``pulumi.com/waitFor`` asks for: a condition, or a JSONPath and the value that it must have; several are all waited for.

Source: pulumi-kubernetes, the annotation's documentation.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from mlx_kubernetes.errors import KubernetesError
from mlx_kubernetes.readiness import READY, Object, Readiness, by_condition, readiness, waiting

WAIT_FOR, SKIP, TIMEOUT = "pulumi.com/waitFor", "pulumi.com/skipAwait", "pulumi.com/timeoutSeconds"
STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\['([^']+)'\]")


def check(live: Object) -> Readiness:
    """By its annotations, else by its kind."""
    annotations = _annotations(live)
    if annotations.get(SKIP) == "true":
        return READY
    if WAIT_FOR not in annotations:
        return readiness(live)
    for asked in _asked(annotations[WAIT_FOR]):
        found = _one(live, asked)
        if found.state != "ready":
            return found
    return READY


def seconds(live: Object, given: float, default: float) -> float:
    """How long to wait: the resource's custom timeout, the annotation, the default."""
    named = _annotations(live).get(TIMEOUT)
    return given or (float(named) if named else default)


def _annotations(live: Object) -> Mapping[str, str]:
    return (live.get("metadata") or {}).get("annotations") or {}


def _asked(text: str) -> Sequence[str]:
    return cast("Sequence[str]", json.loads(text)) if text.lstrip().startswith("[") else (text,)


def _one(live: Object, asked: str) -> Readiness:
    what, _, rest = asked.partition("=")
    if what == "condition":
        type, _, status = rest.partition("=")
        return by_condition(type)(live) if status.lower() in ("", "true") else _is(live, type, status)
    if what == "jsonpath":
        path, _, value = rest.partition("=")
        found = _at(live, path.strip("{}"))
        said = json.dumps(found) if not isinstance(found, str) else found
        right = found is not None if not value else said == value
        return READY if right else waiting(f"{path} is {said}" + (f", not {value}" if value else ""))
    raise KubernetesError(f"{WAIT_FOR}: {asked!r} is neither condition=TYPE nor jsonpath={{.path}}=VALUE")


def _is(live: Object, type: str, status: str) -> Readiness:
    found = next((one for one in (live.get("status") or {}).get("conditions") or () if one.get("type") == type), {})
    return READY if str(found.get("status")).lower() == status.lower() else waiting(f"{type} is {found.get('status')}, not {status}")


def _at(value: Any, path: str) -> Any:
    for name, index, quoted in STEP.findall(path):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(cast("list[Any]", value)) else None
        else:
            value = value.get(name or quoted) if isinstance(value, Mapping) else None
    return value
