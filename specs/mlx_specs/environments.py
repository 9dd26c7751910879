"""The environments of a workspace, and the one that was asked for.

What stands in stacks/ enters; environments by name, the chosen one and diagnostics leave. A chosen environment with errors
still gives its variables and overrides, so that the specs are not blamed for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, cast

from pydantic import ValidationError

from mlx_specs.base import Metadata
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic, did_you_mean, listing, there_are
from mlx_specs.documents import Document
from mlx_specs.environment import Environment
from mlx_specs.objects import Draft, draft, put_in_variables
from mlx_specs.reading import Reading
from mlx_specs.variables import Variables, names_in
from mlx_specs.words import diagnose

DEFAULT = "local"


@dataclass(frozen=True)
class Chosen:
    """An environment with what the specs need of it."""

    name: str
    object: Environment
    document: Document
    variables: Variables = field(default_factory=dict[str, str | int | float | bool])
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])
    exists: bool = True
    """False where nobody wrote it: then the specs are not blamed for what it would have set."""


def read_drafts(reading: Reading, problems: list[Diagnostic]) -> dict[str, Draft]:
    """The environments by name: each in a file of its name, none twice."""
    found: dict[str, Draft] = {}
    for document in reading.documents:
        each = draft(document)
        if isinstance(each, list):
            problems += each
        elif each.kind != "Environment":
            problems.append(document.problem(("kind",), "place", f"a {each.kind} does not belong in stacks/", "move it to a file in specs/"))
        elif each.name in found:
            message, first = f"environment '{each.name}' is defined twice", found[each.name].document.place()
            problems.append(document.problem(("metadata", "name"), "duplicate-object", message, f"the first one is in {first}"))
        else:
            found[each.name] = each
            problems += _file_name(each)
    return found


def _file_name(each: Draft) -> list[Diagnostic]:
    stem = PurePosixPath(each.document.file.path).stem
    if stem == each.name:
        return []
    hint = f"rename the file to stacks/{each.name}.yaml, or the environment to {stem}"
    return [each.document.problem(("metadata", "name"), "place", f"environment '{each.name}' stands in a file of another name", hint)]


def choose(drafts: Mapping[str, Draft], name: str | None, problems: list[Diagnostic]) -> Chosen:
    """The environment of a name; without a name the only one, or the one named local."""
    stacks = Place(File("stacks"))
    if not drafts and name is None:
        problems.append(diagnostic(stacks, "environment", "no environment found", "write one: stacks/local.yaml with kind: Environment"))
        return _placeholder(DEFAULT, stacks.file)
    wanted = name or (next(iter(drafts)) if len(drafts) == 1 else DEFAULT)
    if wanted in drafts:
        return _chosen(drafts[wanted], problems)
    if name is None:
        message, hint = f"several environments, and none is named {DEFAULT}", f"name one with --env: {listing(sorted(drafts))}"
    else:
        message, hint = f"unknown environment '{name}'{did_you_mean(name, drafts)}", there_are(sorted(drafts))
    problems.append(diagnostic(stacks, "environment", message, hint))
    return _placeholder(wanted, stacks.file)


def _placeholder(name: str, file: File) -> Chosen:
    made = Environment.model_construct(metadata=Metadata.model_construct(name=name))
    return Chosen(name, made, Document(file, {}, line=0), exists=False)


def _chosen(each: Draft, problems: list[Diagnostic]) -> Chosen:
    made = check(each, problems) or _placeholder(each.name, each.document.file).object
    return Chosen(each.name, made, each.document, _variables(each), _map(_map(each.document.value.get("spec")).get("overrides")))


def _variables(each: Draft) -> Variables:
    values = _map(_map(each.document.value.get("spec")).get("variables"))
    return {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}


def _map(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _nested_variables(each: Draft, variables: Variables) -> list[Diagnostic]:
    return [
        each.document.problem(("spec", "variables", name), "variable", f"variable '{name}' refers to another variable", "write its value")
        for name, value in variables.items()
        if isinstance(value, str) and names_in(value)
    ]


def check(each: Draft, problems: list[Diagnostic]) -> Environment | None:
    """The typed environment with its own variables put in, or None and diagnostics."""
    variables = _variables(each)
    problems += _nested_variables(each, variables)
    document, unset, paths = put_in_variables(each.document, variables, each.name)
    nested = {path for path in paths if path[:2] == ("spec", "variables")}
    problems += [problem for problem, path in zip(unset, paths, strict=True) if path not in nested]
    try:
        return Environment.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        problems += diagnose(error, Environment, document, frozenset(paths))
        return None
