"""What the laptop would refuse when it compiles a pipeline, found in its source: quick and offline, for ``mlx validate``.

Enters: an entry and the workspace. Leaves: places with sentences, sorted. Nothing is imported or executed, so what is made
in a roundabout way is found only when the pipeline is compiled (``refusals``).
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlx_pipelines.code import reached
from mlx_pipelines.refusals import is_installed

Words = tuple[str, str]
"""What is wrong, and what to do instead."""

CONDITION: Words = ("the local runner decides conditions wrongly", "put the condition inside a step, or make a gate of it (Model.success)")
OF_DSL: dict[str, Words] = {
    "If": CONDITION,
    "Elif": CONDITION,
    "Else": CONDITION,
    "Condition": CONDITION,
    "OneOf": CONDITION,
    "ExitHandler": ("the local runner does not run exit handlers after a failure", "clean up inside the step, with try and finally"),
    "container_component": ("a container step does not run on the laptop", "write the step as a Python function with @dsl.component, or run it on a cluster"),
}
OF_TASKS: dict[str, Words] = {
    "set_retry": ("the local runner ignores retries", "retry inside the step"),
    "set_env_variable": ("the local runner ignores environment variables of a step", "make them parameters of the step"),
    "ignore_upstream_failure": ("the local runner runs nothing after a failure", "catch the error inside the step"),
}


@dataclass(frozen=True, order=True)
class SourceRefusal:
    """One place in a pipeline's source."""

    path: Path
    line: int
    column: int
    message: str
    hint: str


def find_refused(entry: str, workspace: Path) -> list[SourceRefusal]:
    """All places; raises PipelineError where the entry cannot be found or read."""
    found = [
        SourceRefusal(source.path, node.lineno, node.col_offset + 1, f"{name}: {message}", hint)
        for source, tree in reached(entry, workspace)
        for node, name, (message, hint) in _refused(tree)
    ]
    return sorted(found)


def _refused(tree: ast.Module) -> Iterator[tuple[ast.expr, str, Words]]:
    from_dsl = {alias.asname or alias.name: alias.name for node in ast.walk(tree) for alias in _from_dsl(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dsl" and node.attr in OF_DSL:
            yield node, f"dsl.{node.attr}", OF_DSL[node.attr]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and from_dsl.get(node.id) in OF_DSL:
            yield node, node.id, OF_DSL[from_dsl[node.id]]
        elif isinstance(node, ast.Call):
            yield from _refused_call(node)


def _from_dsl(node: ast.AST) -> list[ast.alias]:
    return node.names if isinstance(node, ast.ImportFrom) and node.module == "kfp.dsl" else []


def _refused_call(call: ast.Call) -> Iterator[tuple[ast.expr, str, Words]]:
    if isinstance(call.func, ast.Attribute) and call.func.attr in OF_TASKS:
        yield call, call.func.attr, OF_TASKS[call.func.attr]
    for keyword in call.keywords:
        if keyword.arg == "packages_to_install":
            missing = [package for package in _texts(keyword.value) if not is_installed(package)]
            if missing:
                words = (f"{', '.join(missing)} would be installed into the environment that mlx runs in", "install it there yourself, then the step uses it")
                yield keyword.value, "packages_to_install", words


def _texts(node: ast.expr) -> list[str]:
    items = node.elts if isinstance(node, ast.List | ast.Tuple) else []
    return [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
