"""The digest of the functions of on-demand views, by syntax trees only, and what they take: nothing of the user's is imported.

Enters: import paths such as ``flight_features:plane_age`` of modules in feature_repo/. Leaves: one sha256; comments,
formatting and docstrings do not count. Or a function's parameters, or what is not there.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlx_pipelines.code import OWN_ROOT, Source, closure, find_module, module_parts, parse, split_entry
from mlx_pipelines.errors import PipelineError
from mlx_specs.diagnostics import did_you_mean, there_are
from mlx_specs.digests import digest

FOLDER = "feature_repo"
"""Of the workspace: its modules are importable in on-demand views."""


@dataclass(frozen=True)
class Parameters:
    """What a function can be given by name."""

    names: frozenset[str]
    required: frozenset[str]
    takes_any: bool
    """With ``**`` it takes every name."""


def functions_digest(functions: Sequence[str], workspace: Path, folder: str = FOLDER) -> str:
    """sha256 over the functions' modules and the modules of the folder that they reach; '' for no functions."""
    if not functions:
        return ""
    reached = closure([_source(function, workspace, folder) for function in functions], (workspace / folder, OWN_ROOT))
    parts = {part: text for source, tree in reached for part, text in module_parts(source.module, tree).items()}
    return digest(dict(sorted(parts.items())))


def function_files(functions: Sequence[str], workspace: Path, folder: str = FOLDER) -> list[Path]:
    """The files of the folder that the functions reach, relative to it: what a release keeps of them."""
    root = workspace / folder
    found = closure([_source(function, workspace, folder) for function in functions], (root, OWN_ROOT))
    return sorted(source.path.relative_to(root) for source, _ in found if source.path.is_relative_to(root))


def function_parameters(function: str, workspace: Path) -> Parameters | None:
    """What the function takes; None where only Python could tell (a decorator, a name that is assigned); PipelineError where it is not there."""
    source = _source(function, workspace)
    tree = parse(source)
    name = split_entry(function)[1]
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        names = _bound(tree)
        if name in names or "*" in names:
            return None
        message = f"{source.path.relative_to(workspace).as_posix()} has no function '{name}'{did_you_mean(name, names)}"
        raise PipelineError(message, hint=there_are(sorted(names)))
    return None if found[-1].decorator_list else _parameters(found[-1].args)


def _source(function: str, workspace: Path, folder: str = FOLDER) -> Source:
    module = split_entry(function)[0]
    source = find_module(module, (workspace / folder, OWN_ROOT))
    if source is None:
        present = sorted(path.stem for path in (workspace / folder).glob("*.py") if path.stem != "definitions")
        raise PipelineError(f"there is no module '{module}' in {folder}/{did_you_mean(module, present)}", hint=there_are(present))
    return source


def _bound(tree: ast.Module) -> set[str]:
    assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)}
    imported = {alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return assigned | imported | {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _parameters(arguments: ast.arguments) -> Parameters:
    by_name = [argument.arg for argument in arguments.args]
    required = by_name[: len(by_name) - len(arguments.defaults)] if arguments.defaults else by_name
    only = [argument.arg for argument in arguments.kwonlyargs]
    needed = [argument.arg for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    # What is positional only cannot be given by name: it is required under a name that nobody can write.
    unnamed = [f"{argument.arg}, /" for argument in arguments.posonlyargs]
    return Parameters(frozenset([*by_name, *only]), frozenset([*required, *needed, *unnamed]), arguments.kwarg is not None)
