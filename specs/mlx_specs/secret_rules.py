"""No spec holds a secret in clear: every text of every document is looked at, and none is shown."""

from collections.abc import Iterator
from typing import Any, cast, get_args

from mlx_specs.dataset import ColumnType
from mlx_specs.diagnostics import Diagnostic
from mlx_specs.documents import Document, Path
from mlx_specs.load import Draught
from mlx_specs.secrets import SUSPICIOUS, find_secret

COLUMN_TYPES = get_args(ColumnType)
HINT = "write a reference to it: {env: NAME}, {file: PATH} or {kubernetes: {name: NAME, key: KEY}}"
HINT_IN_FREE_FORM = "take it out of the specs: the step that needs it reads it from an environment variable or a file"


def literal_secrets(draught: Draught) -> Iterator[Diagnostic]:
    """A secret is a reference, never a literal."""
    for document in (*draught.environments.values(), *draught.documents):
        yield from secrets_in(document)


def secrets_in(document: Document) -> Iterator[Diagnostic]:
    """The literal secrets of one document."""
    if _may_hold_a_secret(document):
        yield from _in(document, document.value, ())


def _may_hold_a_secret(document: Document) -> bool:
    """Values come from the text of the document's file, of its overrides' file, and of the variables in the same one."""
    files = {id(file): file for file in (document.file, *(other.file for other, _ in document.overlays.values()))}
    return document.node is None or document.written is not None or any(file.suspicious for file in files.values())


def _in(document: Document, value: Any, path: Path) -> Iterator[Diagnostic]:
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from _in(document, item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _in(document, item, (*path, index))
    elif isinstance(value, str) and SUSPICIOUS.search(f"{_key(path)}: {value}"):
        what = find_secret(_key(path), value)
        if what is not None and not _is_no_value(path, value):
            hint = HINT if path[-1:] in (("url",), ("passphrase",)) else HINT_IN_FREE_FORM
            yield document.problem(path, "secret", f"{what} stands here in clear", hint)


def _key(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _is_no_value(path: Path, value: str) -> bool:
    """``{env: NAME}`` and its like say where a secret is; a column that is named like a secret has a type."""
    return path[-1:] in (("env",), ("file",), ("description",)) or value in COLUMN_TYPES
