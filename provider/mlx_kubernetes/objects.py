"""What is sent: an object tidied so that the server's answer differs from it in nothing that nobody asked for."""

import base64
import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

Object: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str | int, ...]

KEEPS_NULLS = {("pipelines.kubeflow.org", "PipelineVersion")}
"""Its pipelineSpec is kept as it is sent: null there is data."""
SERVER_OWNED = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
"""Of metadata: written by the server, of no meaning for a comparison."""


def tidied(asked: Mapping[str, Any], namespace: str) -> Object:
    """As it is sent: without nulls, its namespace named, ``stringData`` in ``data``, which alone loses keys again."""
    group = str(asked.get("apiVersion", "")).rpartition("/")[0]
    keeps = (group, str(asked.get("kind"))) in KEEPS_NULLS
    tidy = cast("Object", copy.deepcopy(dict(asked)) if keeps else without_nulls(dict(asked)))
    tidy.pop("status", None)
    if namespace:
        tidy.setdefault("metadata", {})["namespace"] = namespace
    if group == "" and tidy.get("kind") == "Secret" and "stringData" in tidy:
        plain = cast("Mapping[str, str]", tidy.pop("stringData"))
        tidy["data"] = {**(tidy.get("data") or {}), **{key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}}
    if (group, tidy.get("kind")) == ("kubeflow.org", "ScheduledWorkflow"):
        tidy["status"] = {}  # its schema requires one, and it has no subresource for it
    return tidy


def without_nulls(value: Any) -> Any:
    """A field that is null was left out; typed fields of custom resources refuse it."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in cast("Mapping[str, Any]", value).items() if item is not None}
    return [without_nulls(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def comparable(live: Mapping[str, Any]) -> Object:
    """Without what the server and controllers write by themselves."""
    kept = {key: value for key, value in live.items() if key != "status"}
    kept["metadata"] = {key: value for key, value in (live.get("metadata") or {}).items() if key not in SERVER_OWNED}
    return kept


def differences(old: Any, new: Any, at: Path = ()) -> Iterator[Path]:
    """The paths where two values differ, each as deep as it goes."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        before, after = cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new)
        for key in [*before, *(key for key in after if key not in before)]:
            if key not in before or key not in after:
                yield (*at, key)
            else:
                yield from differences(before[key], after[key], (*at, key))
    elif isinstance(old, list) and isinstance(new, list) and len(cast("list[Any]", old)) == len(cast("list[Any]", new)):
        for index, (one, other) in enumerate(zip(cast("list[Any]", old), cast("list[Any]", new), strict=True)):
            yield from differences(one, other, (*at, index))
    elif old != new:
        yield at


def shown(path: Path) -> str:
    """``spec.containers[0].image``, as Pulumi writes a path."""
    text = ""
    for part in path:
        plain = isinstance(part, str) and part.replace("_", "").replace("-", "").isalnum()
        text += f".{part}" if plain else f'["{part}"]' if isinstance(part, str) else f"[{part}]"
    return text.removeprefix(".")


def identity(tidy: Mapping[str, Any]) -> str:
    """``NAMESPACE/NAME``, or the name of what has no namespace: Pulumi's id."""
    metadata = tidy.get("metadata") or {}
    return "/".join(part for part in (metadata.get("namespace"), metadata.get("name")) if part)


def called(tidy: Mapping[str, Any]) -> str:
    """For people: ``Deployment team/api``."""
    return f"{tidy.get('kind')} {identity(tidy)}"
