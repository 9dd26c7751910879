"""One document of the workspace: its value, and where each part of it stands.

A value from an override points into the environment's file; an object made in Python points to its line there. Frozen:
merging and substituting make new documents that still know the places of the old ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlx_specs.diagnostics import Diagnostic, File, Place, Severity, diagnostic
from mlx_specs.yaml_reader import is_merge

Path = tuple[str | int, ...]
"""The keys and indices from a document's root down to a value."""


@dataclass(frozen=True)
class Document:
    """A value with its places."""

    file: File
    value: Any
    node: Node | None = None
    offset: int = 0
    line: int = 1
    """Where it starts, for a document without a tree (made in Python)."""
    overlays: Mapping[Path, "tuple[Document, Path]"] = field(default_factory=dict[Path, "tuple[Document, Path]"])
    """Values that an override put here, with the document and path that they come from."""
    written: Any = None
    """The value before variables were put in; None: there were none."""

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Where the value at a path stands, or its key; for a path that is not there, the nearest thing above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.overlays:
                document, base = self.overlays[path[:length]]
                return document.place(base + path[length:], key=key)
        if self.node is None:
            line = self.file.line(self.line)
            return Place(self.file, self.line, len(line) - len(line.lstrip()) + 1)
        mark = _find(self.node, path, key).start_mark
        return Place(self.file, self.offset + mark.line + 1, mark.column + 1)

    def place_in_text(self, path: Path, line: int, position: int) -> Place:
        """Where a line and position (from 1) within a text stand in the file; its start where that cannot be told."""
        start = self.place(path)
        node = self._text_node(path)
        if node is None:
            return start
        if node.style == "|" and line <= len(node.value.splitlines()):
            shown = start.file.line(start.line + line)
            first = start.file.line(start.line + 1)
            indent = len(first) - len(first.lstrip(" "))
            return Place(start.file, start.line + line, min(indent + position, len(shown) + 1))
        if line > 1 or not _is_as_written(node):
            return start
        quote = 1 if node.style in QUOTES else 0
        return Place(start.file, start.line, min(start.column + quote + position - 1, node.end_mark.column + 1))

    def _text_node(self, path: Path) -> ScalarNode | None:
        for length in range(len(path), 0, -1):
            if path[:length] in self.overlays:
                document, base = self.overlays[path[:length]]
                return document._text_node(base + path[length:])
        node = None if self.node is None else _find(self.node, path, key=False)
        return node if isinstance(node, ScalarNode) else None

    def problem(self, path: Path, code: str, message: str, hint: str = "", *, key: bool = False, severity: Severity = "error") -> Diagnostic:
        """A diagnostic at a path."""
        return diagnostic(self.place(path, key=key), code, message, hint, severity)

    def has(self, path: Path) -> bool:
        """Whether there is a value at the path."""
        return _at(self.value, path) is not NOTHING

    def written_at(self, path: Path) -> Any:
        """The value at a path before variables were put in; None where there is none."""
        found = _at(self.value if self.written is None else self.written, path)
        return None if found is NOTHING else found


NOTHING = object()
QUOTES = ("'", '"')


def _is_as_written(node: ScalarNode) -> bool:
    """Whether a text stands in the file letter by letter: on one line, without escapes, and with no anchor before it."""
    around = 2 if node.style in QUOTES else 0
    return node.start_mark.line == node.end_mark.line and node.end_mark.index - node.start_mark.index == len(node.value) + around


def _at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict) and part in value:
            value = cast("dict[Any, Any]", value)[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[part]
        else:
            return NOTHING
    return value


def _find(node: Node, path: Path, key: bool) -> Node:
    """The node of a value, or of its key; the nearest key above it where the path ends early."""
    above: Node | None = None
    for part in path:
        pair = _child(node, part)
        if pair is None:
            return above or node
        above, node = pair
    if key or _is_empty(node):
        return above or node
    return node


def _child(node: Node, part: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, SequenceNode):
        items = cast("list[Node]", node.value)
        return (items[part], items[part]) if isinstance(part, int) and part < len(items) else None
    if not isinstance(node, MappingNode):
        return None
    for key, value in cast("list[tuple[Node, Node]]", node.value):
        if key.value == part and not is_merge(key):
            return key, value
    return _merged_child(node, part)


def _merged_child(node: MappingNode, part: str | int) -> tuple[Node, Node] | None:
    for key, value in cast("list[tuple[Node, Node]]", node.value):
        if is_merge(key):
            for merged in cast("list[Node]", value.value) if isinstance(value, SequenceNode) else [value]:
                found = _child(merged, part)
                if found is not None:
                    return found
    return None


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "" and node.start_mark.index == node.end_mark.index
