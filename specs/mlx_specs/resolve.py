"""The specs as they are for one environment: overrides merged, variables put in, defaults filled, each value with its origin.

A loaded workspace without errors enters; YAML with comments, or JSON, leaves.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from mlx_specs.base import plain
from mlx_specs.diagnostics import printable
from mlx_specs.documents import Document, Path
from mlx_specs.graph import Node
from mlx_specs.load import Loaded
from mlx_specs.variables import names_in
from mlx_specs.yaml_reader import plain_scalar

PLAIN_TEXT = re.compile(r"[A-Za-z_./][\w./@+-]*( [\w./@+(-][\w./@+()-]*)*")


@dataclass(frozen=True)
class Origin:
    """Where a value comes from: a place, the environment's override, variables, or the default of the field."""

    place: str = ""
    override: bool = False
    variables: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.place:
            return "default"
        return self.place + (" (override)" if self.override else "") + "".join(f", {variable}" for variable in self.variables)


def resolved(loaded: Loaded) -> str:
    """A YAML document for each object in the graph's order, with the origin of each value behind it."""
    nodes = loaded.graph.objects if loaded.graph is not None else ()
    return "---\n".join("\n".join(_lines(_value(node), (), node.document, loaded)) + "\n" for node in nodes)


def resolved_json(loaded: Loaded) -> list[dict[str, Any]]:
    """For each object its id, its value, and the origin of each value by its path."""
    nodes = loaded.graph.objects if loaded.graph is not None else ()
    return [{"id": node.id, "value": _value(node), "origins": dict(_origins(_value(node), (), node.document, loaded))} for node in nodes]


def _value(node: Node) -> dict[str, Any]:
    value = plain(node.object)
    first = {name: value[name] for name in ("apiVersion", "kind", "metadata")}
    return {**first, **value}


def origin(document: Document, path: Path, loaded: Loaded) -> Origin:
    """Where the value at a path comes from."""
    if not document.has(path):
        return Origin()
    place = document.place(path)
    override = any(path[:length] in document.overlays for length in range(1, len(path) + 1))
    written = document.written_at(path)
    names = names_in(written) if isinstance(written, str) else []
    variables = tuple(f"${{var.{name}}} of {_short(loaded.document.place(('spec', 'variables', name)))}" for name in names)
    return Origin(_short(place), override, variables)


def _short(place: object) -> str:
    return str(place).rsplit(":", 1)[0]


def _origins(value: Any, path: Path, document: Document, loaded: Loaded) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in cast("dict[str, Any]", value).items():
            yield from _origins(item, (*path, key), document, loaded)
    elif isinstance(value, list) and value:
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _origins(item, (*path, index), document, loaded)
    else:
        yield ".".join(map(str, path)), str(origin(document, path, loaded))


def _lines(value: Any, path: Path, document: Document, loaded: Loaded) -> Iterator[str]:
    """The lines of a map or a list, without indentation."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from _entry(f"{_scalar(key)}:", item, (*path, key), document, loaded)
        return
    for index, item in enumerate(cast("list[Any]", value)):
        lines = list(_item(item, (*path, index), document, loaded))
        yield f"- {lines[0]}"
        yield from (f"  {line}" for line in lines[1:])


def _entry(head: str, value: Any, path: Path, document: Document, loaded: Loaded) -> Iterator[str]:
    lines = list(_item(value, path, document, loaded))
    if isinstance(value, dict | list) and value:
        yield head
        yield from (f"  {line}" for line in lines)
    else:
        yield f"{head} {lines[0]}"
        yield from lines[1:]


def _item(value: Any, path: Path, document: Document, loaded: Loaded) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield from _lines(value, path, document, loaded)
    elif isinstance(value, str) and _is_block(value):
        yield f"{'|' if value.endswith(chr(10)) else '|-'}  # {origin(document, path, loaded)}"
        yield from (f"  {line}" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{_scalar(value)}  # {origin(document, path, loaded)}"


def _is_block(text: str) -> bool:
    return "\n" in text.rstrip("\n") and not text.startswith((" ", "\n")) and not text.endswith("\n\n") and text.replace("\n", "").isprintable()


def _scalar(value: Any) -> str:
    if isinstance(value, str) and PLAIN_TEXT.fullmatch(value) and isinstance(plain_scalar(value), str):
        return value
    return printable(json.dumps(value, ensure_ascii=False))
