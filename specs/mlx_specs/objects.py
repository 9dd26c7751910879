"""From a document to a typed object: who it is, where it exists, its overrides and variables, its fields.

Documents enter; drafts, then typed objects and diagnostics leave. What one object says of another is not looked at here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from pydantic import ValidationError

from mlx_specs.base import API_VERSION
from mlx_specs.diagnostics import Diagnostic, did_you_mean, listing, nearest, there_are
from mlx_specs.documents import Document, Path
from mlx_specs.graph import Node, make_node
from mlx_specs.kinds import KINDS
from mlx_specs.variables import Variables, substitute
from mlx_specs.words import diagnose, found


@dataclass(frozen=True)
class Draft:
    """A document that says what it is; the rest of it has not been looked at."""

    kind: str
    name: str
    document: Document

    @property
    def id(self) -> str:
        """KIND/NAME"""
        return f"{self.kind}/{self.name}"

    @property
    def environments(self) -> Sequence[str] | None:
        """The environments that it names; None: all. A wrong value counts as all and is met again as a field."""
        names = self.document.value.get("environments")
        return [str(name) for name in cast("list[Any]", names)] if isinstance(names, list) else None


def draft(document: Document) -> Draft | list[Diagnostic]:
    """Who a document says it is, or why it cannot be told."""
    value = document.value
    if not isinstance(value, dict):
        hint = "an object has apiVersion, kind, metadata and spec"
        return [document.problem((), "wrong-type", f"expected an object, found {found(value)}", hint)]
    problems = [*_api_version(document), *_kind(document), *_name(document)]
    if problems:
        return problems
    header = cast("dict[str, Any]", value)
    return Draft(header["kind"], header["metadata"]["name"], document)


def _api_version(document: Document) -> list[Diagnostic]:
    version = document.value.get("apiVersion")
    if version == API_VERSION:
        return []
    if "apiVersion" not in document.value:
        return [document.problem((), "missing-field", "missing field 'apiVersion'", f"write apiVersion: {API_VERSION}")]
    return [document.problem(("apiVersion",), "unknown-value", f"unknown apiVersion {found(version)}", f"write apiVersion: {API_VERSION}")]


def _kind(document: Document) -> list[Diagnostic]:
    kind = document.value.get("kind")
    if "kind" not in document.value:
        return [document.problem((), "missing-field", "missing field 'kind'", f"one of {listing(KINDS)}")]
    if not isinstance(kind, str):
        return [document.problem(("kind",), "wrong-type", f"expected a kind, found {found(kind)}", f"one of {listing(KINDS)}")]
    if kind not in KINDS:
        return [document.problem(("kind",), "unknown-kind", f"unknown kind '{kind}'{did_you_mean(kind, KINDS)}", f"one of {listing(KINDS)}")]
    return []


def _name(document: Document) -> list[Diagnostic]:
    metadata = document.value.get("metadata")
    if "metadata" not in document.value or metadata is None:
        return [document.problem(("metadata",), "missing-field", "missing field 'metadata'", "write metadata: {name: NAME}")]
    if not isinstance(metadata, dict):
        return [document.problem(("metadata",), "wrong-type", f"expected a map, found {found(metadata)}", "write metadata: {name: NAME}")]
    name = cast("dict[str, Any]", metadata).get("name")
    if name is None:
        return [document.problem(("metadata",), "missing-field", "missing field 'name'", "every object has a name", key=True)]
    if not isinstance(name, str):
        return [document.problem(("metadata", "name"), "wrong-type", f"expected text, found {found(name)}", "put it in quotes")]
    return []


def make_object(each: Draft, variables: Variables, environment: str) -> tuple[Node | None, Document, list[Diagnostic]]:
    """The typed object of a draft with variables put in, the document that it was made from, and what is wrong with it."""
    document, problems, unset = put_in_variables(each.document, variables, environment)
    try:
        made = KINDS[each.kind].model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        return None, document, problems + diagnose(error, KINDS[each.kind], document, frozenset(unset))
    return (None if problems else make_node(made, document)), document, problems


def put_in_variables(document: Document, variables: Variables, environment: str) -> tuple[Document, list[Diagnostic], list[Path]]:
    """The document with its variables, and those that nobody has set."""
    if not _may_hold_variables(document):
        return document, [], []
    result = substitute(document.value, variables)
    problems = [_unset(document, path, name, variables, environment) for path, name in result.unset]
    return replace(document, value=result.value, written=document.value), problems, [path for path, _ in result.unset]


def _may_hold_variables(document: Document) -> bool:
    return document.node is None or document.file.has_variables or any(other.file.has_variables for other, _ in document.overlays.values())


def _unset(document: Document, path: Path, name: str, variables: Mapping[str, Any], environment: str) -> Diagnostic:
    hint = f"set it under spec.variables of the environment '{environment}'" if nearest(name, variables) is None else ""
    message = f"variable '{name}' is not set in environment '{environment}'{did_you_mean(name, variables)}"
    return document.problem(path, "variable", message, hint)


def unknown_environments(each: Draft, known: Collection[str]) -> list[Diagnostic]:
    """An object exists only in environments that there are."""
    names = each.environments or ()
    return [
        each.document.problem(("environments", index), "reference", f"unknown environment '{name}'{did_you_mean(name, known)}", there_are(sorted(known)))
        for index, name in enumerate(names)
        if name not in known
    ]
