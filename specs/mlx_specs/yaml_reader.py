"""YAML text to plain values that remember where they stand.

The text of one file enters; its documents and its diagnostics leave. YAML 1.2's core schema: ``on``, ``no`` and dates are
text, ``1e-3`` is a number. Positions are looked up in the node tree only when a problem is shown, so that files without
problems do not pay for them.
"""

import re
from dataclasses import dataclass
from typing import Any, cast

import yaml
from yaml._yaml import CParser
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlx_specs.class_weight import HINT as CLASS_WEIGHT_HINT
from mlx_specs.class_weight import is_class_weight
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic

MAX_DEPTH = 64
MAX_EXPANSION = 100_000
DEEP_TEXT = 1_500
"""libyaml's composer is recursive and overflows the C stack on deep nesting: texts that could be deeper are measured first."""
PLAIN, QUOTED = "plain", "quoted"
STANDARD = "tag:yaml.org,2002:"
CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
NUMBER_STARTS = frozenset("-+.0123456789")
INTEGER = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Parsed:
    """One document: its value and the tree that knows the positions."""

    value: Any
    node: Node
    offset: int
    """Lines before the text that the tree was made from."""


class _Reader(CParser):
    """libyaml's parser; scalars keep their text, and say whether they were quoted."""

    def resolve(self, kind: type[Node], value: str, implicit: Any) -> str:
        return PLAIN if kind is ScalarNode and implicit[0] else QUOTED

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        """Path resolvers are not used."""

    def ascend_resolver(self) -> None:
        """Path resolvers are not used."""


def read(file: File) -> tuple[list[Parsed], list[Diagnostic]]:
    """All documents of a file; after a syntax error reading goes on at the next '---'."""
    documents: list[Parsed] = []
    problems: list[Diagnostic] = []
    text, offset = file.text, 0
    too_deep = _too_deep(file)
    if too_deep is not None:
        return [], [diagnostic(too_deep, "yaml", f"nested deeper than {MAX_DEPTH} levels")]
    while True:
        failed_at = _read_documents(file, text, offset, documents, problems)
        next_document = None if failed_at is None else _next_document(text, failed_at)
        if next_document is None:
            return documents, problems
        text, skipped = next_document
        offset += skipped


def _too_deep(file: File) -> Place | None:
    """Where the file goes one level too deep; None where it does not."""
    text = file.text
    widest = max(map(len, text.split("\n")))
    if text.count("[") + text.count("{") + widest < DEEP_TEXT:
        return None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            mark = event.start_mark
            if depth > MAX_DEPTH and mark is not None:
                return Place(file, mark.line + 1, mark.column + 1)
    except yaml.YAMLError:
        return None  # the composer meets the same error at the same place
    return None


def _read_documents(file: File, text: str, offset: int, documents: list[Parsed], problems: list[Diagnostic]) -> int | None:
    """Fill the two lists; the line within ``text`` where a syntax error stopped, if one did."""
    reader = _Reader(text)
    try:
        while reader.check_node():
            node = cast("Node", reader.get_node())
            value = _Construction(file, offset, len(text), problems).value(node)
            if value is not None:
                documents.append(Parsed(value, node, offset))
    except yaml.YAMLError as error:
        line, column, message, hint = _explain(error, text)
        problems.append(diagnostic(_within(file, offset + line + 1, column + 1), "yaml", message, hint))
        return line
    finally:
        reader.dispose()
    return None


def _within(file: File, line: int, column: int) -> Place:
    """The place, or the end of the file's last words: what is missing there, libyaml misses behind the last line."""
    if line <= len(file.lines):
        return Place(file, line, column)
    last = len(file.text.rstrip().splitlines())
    return Place(file, last, len(file.line(last)) + 1)


def _next_document(text: str, line: int) -> tuple[str, int] | None:
    lines = text.splitlines(keepends=True)
    for number in range(line + 1, len(lines)):
        if lines[number].startswith("---"):
            return "".join(lines[number:]), number
    return None


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, int, str, str]:
    """Line and column from 0, a message and a hint for what libyaml met."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        position: int = getattr(error, "position", 0)
        before = f"{text.encode()[:position].decode()}x".splitlines()  # libyaml counts bytes
        return len(before) - 1, len(before[-1]) - 1, "a control character is not allowed in YAML", 'remove it, or escape it in double quotes: "\\x00"'
    mark = error.problem_mark
    if error.context_mark is not None and any(part in (error.problem or "") for part in NOT_CLOSED):
        mark = error.context_mark
    line = "".join(text.splitlines()[mark.line : mark.line + 1])
    at = line[mark.column : mark.column + 1]
    if "\t" in (at, line[:1]):
        return mark.line, mark.column, "a tab cannot be used for indentation", "indent with spaces"
    for part, message, hint in YAML_WORDS:
        if part in (error.problem or ""):
            return mark.line, mark.column, message.format(at=at), hint
    return mark.line, mark.column, f"this is not YAML: {error.problem}", ""


NOT_CLOSED = ("expected ',' or", "unexpected end of stream", "unexpected document indicator")
YAML_WORDS = (
    ("mapping values are not allowed", "a second ': ' on one line, or a wrong indentation", "put text that holds ': ' in quotes"),
    ("cannot start any token", "a value cannot start with '{at}'", "put it in quotes"),
    ("expected ',' or ']'", "a list that starts with '[' is not closed", "close it with ']'"),
    ("expected ',' or '}'", "a map that starts with '{{' is not closed", "close it with '}'"),
    ("expected node content", "a value is missing, or a bracket is not closed", ""),
    ("unexpected end of stream", "a quote is not closed", "close it"),
    ("unexpected document indicator", "a quote is not closed", "close it"),
    ("expected '-' indicator", "expected another '- ' of the list", "check the indentation"),
    ("expected key", "expected a key of the map", "check the indentation"),
    ("could not find expected ':'", "expected 'key: value'", "check the indentation, or put ': ' after the key"),
    ("undefined alias", "this alias has no anchor in the document", "define it before with '&'"),
    ("second occurrence", "this anchor is defined twice in the document", ""),
    ("incompatible YAML document", "this version of YAML cannot be read", "remove the %YAML line"),
    ("expected <document start>", "expected '---' or the end of the file", "check the indentation"),
)


class _Stop(Exception):
    """The document cannot be made into a value; the problem has been recorded."""


class _Construction:
    """Makes the plain value of one document, and collects what is wrong on the way."""

    def __init__(self, file: File, offset: int, size: int, problems: list[Diagnostic]) -> None:
        self.file, self.offset, self.problems = file, offset, problems
        self.budget = max(size, MAX_EXPANSION)
        """Without aliases a document has no more values than letters."""

    def value(self, node: Node) -> Any:
        """The value; None where the document cannot be made into one."""
        try:
            return self._value(node, 0)
        except _Stop:
            return None

    def _value(self, node: Node, depth: int, name: str = "") -> Any:
        """``name`` is the key that the value stands under."""
        self.budget -= 1
        if self.budget < 0:
            self._problem(node, "anchors", f"aliases blow up to more than {MAX_EXPANSION:,} values")
            raise _Stop
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if depth >= MAX_DEPTH:
            self._problem(node, "anchors", f"nested deeper than {MAX_DEPTH} levels, or an alias within its own anchor")
            raise _Stop
        if node.tag not in (QUOTED, STANDARD + "map", STANDARD + "seq"):
            self._unknown_tag(node)
        if isinstance(node, SequenceNode):
            return [self._value(item, depth + 1) for item in node.value]
        return self._mapping(cast("MappingNode", node), depth, name)

    def _mapping(self, node: MappingNode, depth: int, name: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if is_merge(key_node):
                merged |= self._merged(value_node, depth)
                continue
            key = self._key(key_node, name)
            if key in values:
                self._problem(key_node, "duplicate-key", f"duplicate key '{key}'", f"the first one is on line {self._first(node, key)}")
                continue
            values[key] = self._value(value_node, depth + 1, key)
        return {**merged, **values} if merged else values

    def _merged(self, node: Node, depth: int) -> dict[str, Any]:
        maps = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for each in reversed(cast("list[Node]", maps)):
            value = self._value(each, depth + 1)
            if isinstance(value, dict):
                merged |= cast("dict[str, Any]", value)
            else:
                self._problem(each, "yaml", "'<<' merges maps, and this is none")
        return merged

    def _key(self, node: Node, of: str) -> str:
        if not isinstance(node, ScalarNode):
            self._problem(node, "yaml", "a key must be text, found a list or a map")
            raise _Stop
        if node.tag == PLAIN and not isinstance(plain_scalar(node.value), str):
            hint = CLASS_WEIGHT_HINT if is_class_weight(of) else "put it in quotes"
            self._problem(node, "yaml", f"a key must be text, found {node.value or 'nothing'}", hint)
        return cast("str", node.value)

    def _scalar(self, node: ScalarNode) -> Any:
        if node.tag == QUOTED or node.tag == STANDARD + "str":
            return node.value
        if node.tag != PLAIN and node.tag not in (STANDARD + "int", STANDARD + "float", STANDARD + "bool", STANDARD + "null"):
            self._unknown_tag(node)
            return node.value
        value = plain_scalar(node.value)
        if value in (float("inf"), float("-inf")) or (isinstance(value, str) and NOT_FINITE.fullmatch(value)):
            self._problem(node, "yaml", f"'{node.value}' is no finite number")
        return value

    def _unknown_tag(self, node: Node) -> None:
        tag = node.tag.replace(STANDARD, "!!")
        self._problem(node, "yaml", f"the tag '{tag}' is not known here", "write the value without a tag")

    def _first(self, node: MappingNode, key: str) -> int:
        return next(self.offset + found.start_mark.line + 1 for found, _ in node.value if found.value == key)

    def _problem(self, node: Node, code: str, message: str, hint: str = "") -> None:
        mark = node.start_mark
        self.problems.append(diagnostic(Place(self.file, self.offset + mark.line + 1, mark.column + 1), code, message, hint))


def is_merge(key: Node) -> bool:
    """Whether a key is YAML's merge key."""
    return key.tag == PLAIN and key.value == "<<"


def plain_scalar(text: str) -> Any:
    """The value of an unquoted scalar by YAML 1.2's core schema: null, true, false, numbers, else the text."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] not in NUMBER_STARTS:
        return text
    if INTEGER.fullmatch(text):
        return int(text, 0 if text[1:2] in ("o", "x") else 10)
    return float(text) if FLOAT.fullmatch(text) else text
