"""Specs written in Python: a file builds the pydantic objects and keeps them in module-level names, alone or in lists.

A file enters; its objects leave as documents, so that overrides, variables and rules treat them like YAML. An error in the
file becomes a diagnostic at its line.
"""

import ast
import math
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from mlx_specs.base import API_VERSION, Object, Strict
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic
from mlx_specs.documents import Document
from mlx_specs.words import diagnose


def read_python(file: File, path: Path) -> tuple[list[Document], list[Diagnostic]]:
    """The objects of the file in the order in which its names were first assigned."""
    try:
        tree = ast.parse(file.text, filename=str(path))
        return _documents(_execute(tree, path), tree, file)
    except SyntaxError as error:
        return [], [diagnostic(Place(file, error.lineno or 1, error.offset or 1), "python", f"this is not Python: {error.msg}")]
    except ValidationError as error:
        return [], _invalid(error, file, _failing_line(error, path))
    except (Exception, SystemExit) as error:
        place = Document(file, {}, line=_failing_line(error, path)).place()
        return [], [diagnostic(place, "python", f"the file stopped with {type(error).__name__}: {error}".rstrip(": "))]


def _execute(tree: ast.Module, path: Path) -> dict[str, Any]:
    """The names of the module; its neighbours can be imported while it runs, and are forgotten afterwards."""
    module: dict[str, Any] = {"__name__": f"specs.{path.stem}", "__file__": str(path)}
    folder, before = str(path.parent), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        exec(compile(tree, str(path), "exec"), module)
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
                del sys.modules[name]
    return module


def _failing_line(error: BaseException, path: Path) -> int:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (frames[-1].lineno or 1) if frames else 1


def _invalid(error: ValidationError, file: File, line: int) -> list[Diagnostic]:
    """What pydantic found while the file built an object, in words, at the line of the call."""
    document = Document(file, {}, line=line)
    model = next((model for model in _models() if model.__name__ == error.title), None)
    if model is None:
        return [diagnostic(document.place(), "python", f"{error.title} was built with wrong values")]
    return diagnose(error, model, document)


def _models() -> Iterator[type[BaseModel]]:
    pending: list[type[BaseModel]] = [Strict]
    while pending:
        model = pending.pop()
        pending += model.__subclasses__()
        yield model


def _documents(module: dict[str, Any], tree: ast.Module, file: File) -> tuple[list[Document], list[Diagnostic]]:
    documents: list[Document] = []
    problems: list[Diagnostic] = []
    seen: set[int] = set()
    for name, line, elements in _assignments(tree):
        value = module.get(name)
        objects = list(cast("list[Any]", value)) if isinstance(value, list | tuple) else [value]
        for index, each in enumerate(objects):
            if not isinstance(each, Object) or id(each) in seen:
                continue
            seen.add(id(each))
            document = Document(file, {}, line=elements[index] if index < len(elements) else line)
            wrong = [document.problem((), "python", message) for message in _unwritable(each.model_dump(by_alias=True), ())]
            problems += wrong
            documents += [] if wrong else [replace(document, value=_written(each))]
    return documents, problems


def _assignments(tree: ast.Module) -> Iterator[tuple[str, int, list[int]]]:
    """Module-level names with the line of their assignment, and of each element where it is a list."""
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        elements = [element.lineno for element in statement.value.elts] if isinstance(statement.value, ast.List | ast.Tuple) else []
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
            if isinstance(target, ast.Name):
                yield target.id, statement.lineno, elements


def _unwritable(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """What YAML could not say: keys that are no text, numbers that are not finite, objects of Python."""
    where = ".".join(path)
    if isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            if not isinstance(key, str):
                yield f"a key of {where} must be text, found {key}"
            yield from _unwritable(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _unwritable(item, (*path, str(index)))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} is no finite number"
    elif value is not None and not isinstance(value, str | int | float | date):
        yield f"{where} is of type {type(value).__name__}, which a spec cannot hold"


def _written(made: Object) -> dict[str, Any]:
    """What the file said, as YAML would say it."""
    value = made.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {"apiVersion": API_VERSION, "kind": type(made).__name__, **value}
