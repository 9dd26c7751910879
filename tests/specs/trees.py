"""YAML files as trees that can be changed in place, and back to text.

A tree keeps what plain values lose: keys that stand twice, the style of a text, anchors. A node that stands in two places is
written as anchor and alias; text that no tree can hold (a lone tag, brackets by the thousand) is put in after writing, as ``raw``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path = tuple[str | int, ...]
TAG = "tag:yaml.org,2002:"
RESOLVER = yaml.CSafeDumper("")  # type: ignore[arg-type]
MARK = "raw0text"


def scalar(value: Any) -> ScalarNode:
    """A text, number, true, false or null as a node."""
    if isinstance(value, str):
        return ScalarNode(f"{TAG}str", value)
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return ScalarNode(RESOLVER.resolve(ScalarNode, text, (True, False)), text)


def tree(value: Any) -> Node:
    """A plain value as a tree."""
    if isinstance(value, dict):
        return MappingNode(f"{TAG}map", [(scalar(key), tree(item)) for key, item in value.items()])
    return SequenceNode(f"{TAG}seq", [tree(item) for item in value]) if isinstance(value, list) else scalar(value)


def copied(node: Node) -> Node:
    """A copy that shares nothing."""
    match node:
        case MappingNode():
            return MappingNode(node.tag, [(copied(key), copied(value)) for key, value in node.value], flow_style=node.flow_style)
        case SequenceNode():
            return SequenceNode(node.tag, [copied(item) for item in node.value], flow_style=node.flow_style)
        case _:
            return ScalarNode(node.tag, node.value, style=node.style)


def mappings(node: Node) -> list[MappingNode]:
    """Every map of a tree, also where it holds itself."""
    return [each for each in nodes(node) if isinstance(each, MappingNode)]


def nodes(root: Node) -> list[Node]:
    """Every node of a tree but the keys, once each."""
    found: dict[int, Node] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            waiting += [value for _, value in node.value] if isinstance(node, MappingNode) else node.value if isinstance(node, SequenceNode) else []
    return list(found.values())


@dataclass(frozen=True)
class Spot:
    """A place in a tree that holds a value."""

    path: Path
    node: Node
    put: Callable[[Node], None]


def spots(root: Node) -> list[Spot]:
    """Every place below a root, once for each node that holds some."""
    found: list[Spot] = []
    seen: set[int] = set()
    waiting: list[tuple[Path, Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen or isinstance(node, ScalarNode):
            continue
        seen.add(id(node))
        for index, item in enumerate(node.value):
            step, value = (item[0].value, item[1]) if isinstance(node, MappingNode) else (index, item)
            place = (*path, step if isinstance(step, str | int) else "?")
            found.append(Spot(place, value, partial(_put, node, index)))
            waiting.append((place, value))
    return found


def _put(holder: Node, index: int, node: Node) -> None:
    holder.value[index] = (holder.value[index][0], node) if isinstance(holder, MappingNode) else node


def get(node: Node, key: str) -> Node | None:
    """The value of a key of a map; None where there is none."""
    pairs = node.value if isinstance(node, MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def set_key(node: Node, key: str, value: Node) -> None:
    """The map with this value under the key."""
    if isinstance(node, MappingNode):
        node.value = [*((name, old) for name, old in node.value if name.value != key), (scalar(key), value)]


@dataclass
class Files:
    """The documents of some files, changed in place; only files that were opened for a change are written anew."""

    texts: dict[str, str]
    parsed: dict[str, list[Node]]
    opened: dict[str, list[Node]] = field(default_factory=dict[str, list[Node]])
    raws: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    """What was done, for whoever looks at a failing case."""

    def open(self, name: str) -> list[Node]:
        """The documents of a file, to be changed."""
        if name not in self.opened:
            self.opened[name] = [copied(document) for document in self.parsed[name]]
        return self.opened[name]

    def raw(self, text: str) -> ScalarNode:
        """A node that is written as this text, whatever it is."""
        self.raws.append(text)
        return ScalarNode(f"{TAG}str", f"{MARK}{len(self.raws) - 1}x")

    def written(self) -> dict[str, str]:
        """The text of each file that was opened."""
        return {name: self._with_raws(write(documents)) for name, documents in self.opened.items()}

    def _with_raws(self, text: str) -> str:
        for number, raw in enumerate(self.raws):
            text = text.replace(f"{MARK}{number}x", raw)
        return text


def write(documents: list[Node]) -> str:
    """The documents as one file."""
    return yaml.serialize_all(documents, Dumper=yaml.CSafeDumper, allow_unicode=True, width=200) if documents else "# nothing\n"


def parse(text: str) -> list[Node]:
    """The documents of a file that is right."""
    return [node for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) if node is not None]
