"""What the laptop would refuse when it compiles a pipeline, found in its source: quick and offline, for ``mlx validate``.

Enters: an entry and the workspace. Leaves: places with sentences, sorted. Nothing is imported or executed, so what is made
in a roundabout way is found only when the pipeline is compiled (``refusals``).
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlx_pipelines.code import Source, reached
from mlx_pipelines.refusals import COMPUTE_HINT, GPU_HINT, is_installed

Words = tuple[str, str]
"""What is wrong, and what to do instead."""
Found = tuple[ast.expr, str, Words]

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
RESOURCES: Words = ("the local runner ignores what a step asks for", COMPUTE_HINT)
ACCELERATOR: Words = ("the local runner gives a step no accelerator", GPU_HINT)
OF_TASKS: dict[str, Words] = {
    "set_retry": ("the local runner ignores retries", "retry inside the step"),
    "set_env_variable": ("the local runner ignores environment variables of a step", "make them parameters of the step"),
    "ignore_upstream_failure": ("the local runner runs nothing after a failure", "catch the error inside the step"),
    "set_memory_limit": RESOURCES,
    "set_memory_request": RESOURCES,
    "set_cpu_limit": RESOURCES,
    "set_cpu_request": RESOURCES,
    "set_accelerator_type": ACCELERATOR,
    "set_accelerator_limit": ACCELERATOR,
    "set_gpu_limit": ACCELERATOR,
    "add_node_selector_constraint": ACCELERATOR,
}
PARALLELISM: Words = ("the local runner runs the items one after the other", "leave it out here: nothing runs side by side")
UNREADABLE: Words = ("cannot be read: write the list out", 'such as packages_to_install=["numpy>=2"], or name a list that the module assigns once')


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
    modules = {source.module: _read(source, tree) for source, tree in reached(entry, workspace)}
    found = [
        SourceRefusal(module.path, node.lineno, node.col_offset + 1, f"{name}: {message}", hint)
        for module in modules.values()
        for node, name, (message, hint) in _refused(module, modules)
    ]
    return sorted(found)


@dataclass(frozen=True)
class _Module:
    path: Path
    tree: ast.Module
    names: Mapping[str, str]
    """What its imports and plain assignments call by which name: ``{"d": "kfp.dsl", "When": "kfp.dsl.If"}``."""
    constants: Mapping[str, ast.expr]
    """What it assigns once, at its top level, and changes nowhere."""


Modules = Mapping[str, _Module]


def _read(source: Source, tree: ast.Module) -> _Module:
    names: dict[str, str] = {}
    constants = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _from(source, node)
            names |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names if alias.name != "*"}
            names |= _star(base) if any(alias.name == "*" for alias in node.names) else {}
    names |= {name: ast.unparse(value) for name, value in constants.items() if isinstance(value, ast.Name | ast.Attribute)}
    return _Module(source.path, tree, names, constants)


def _from(source: Source, node: ast.ImportFrom) -> str:
    above = source.package.split(".")[: len(source.package.split(".")) - node.level + 1] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def _star(base: str) -> dict[str, str]:
    stars = {"kfp": ("dsl",), "kfp.dsl": (*OF_DSL, "ParallelFor", "component")}
    return {name: f"{base}.{name}" for name in stars.get(base, ())}


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)]
    changed = set(_perhaps_changed(tree))
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and len(targets) == 1 and isinstance(target := targets[0], ast.Name):
            reference = isinstance(node.value, ast.Name | ast.Attribute)
            if stored.count(target.id) == 1 and (reference or target.id not in changed):
                found[target.id] = node.value
    return found


def _perhaps_changed(tree: ast.Module) -> Iterator[str]:
    """``PACKAGES.append(...)``, ``PACKAGES[0] = ...``: then the list that was written is not the list that is used."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name)) | ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                yield name
            case _:
                pass


def _refused(module: _Module, modules: Modules) -> Iterator[Found]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            name = _of_dsl(node, module, modules)
            if name in OF_DSL:
                yield node, ast.unparse(node), OF_DSL[name]
        elif isinstance(node, ast.Call):
            yield from _refused_call(node, module, modules)


def _of_dsl(node: ast.expr, module: _Module, modules: Modules) -> str:
    """``If`` for all that means kfp.dsl.If; '' for what is not KFP's."""
    dotted = _dotted(node)
    meant = _resolve(dotted, module, modules) if dotted else ""
    return meant.rpartition(".")[2] if meant.startswith("kfp.dsl.") else ""


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    before = _dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{before}.{node.attr}" if isinstance(node, ast.Attribute) and before else ""


def _resolve(name: str, module: _Module, modules: Modules, depth: int = 10) -> str:
    """A name in a module -> where it comes from, through other modules of the workspace."""
    first, dot, rest = name.partition(".")
    if first not in module.names or depth == 0:
        return name
    if first in module.constants:
        return _resolve(module.names[first] + dot + rest, module, modules, depth - 1)
    return _through(module.names[first] + dot + rest, modules, depth - 1)


def _through(dotted: str, modules: Modules, depth: int) -> str:
    module, _, name = _split(dotted, modules)
    if module is None or name.partition(".")[0] not in module.names:
        return dotted
    return _resolve(name, module, modules, depth)


def _split(dotted: str, modules: Modules) -> tuple[_Module | None, str, str]:
    """The longest module that the name starts with, its name, and the rest."""
    parts = dotted.split(".")
    for end in range(len(parts) - 1, 0, -1):
        known = ".".join(parts[:end])
        if known in modules:
            return modules[known], known, ".".join(parts[end:])
    return None, "", dotted


def _refused_call(call: ast.Call, module: _Module, modules: Modules) -> Iterator[Found]:
    if isinstance(call.func, ast.Attribute) and call.func.attr in OF_TASKS:
        yield call, call.func.attr, OF_TASKS[call.func.attr]
    if _of_dsl(call.func, module, modules) == "ParallelFor":
        yield from _parallelism(call)
    for keyword in call.keywords:
        if keyword.arg == "packages_to_install":
            yield from _packages(keyword.value, module, modules)
        elif keyword.arg is None and _of_dsl(call.func, module, modules) == "component":
            yield from _packages_among_options(keyword.value, module, modules)


def _parallelism(call: ast.Call) -> Iterator[Found]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "parallelism"] + call.args[2:3]
    for value in given:
        if not (isinstance(value, ast.Constant) and value.value in (None, 0)):
            yield value, "ParallelFor(parallelism=)", PARALLELISM


def _packages(value: ast.expr, module: _Module, modules: Modules) -> Iterator[Found]:
    packages = _texts(value, module, modules)
    if packages is None:
        yield value, "packages_to_install", UNREADABLE
        return
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        words = (f"{', '.join(missing)} would be installed into the environment that mlx runs in", "install it there yourself, then the step uses it")
        yield value, "packages_to_install", words


def _packages_among_options(options: ast.expr, module: _Module, modules: Modules) -> Iterator[Found]:
    """``@dsl.component(**OPTIONS)``; options that are made elsewhere show when the pipeline is compiled."""
    written = module.constants.get(options.id) if isinstance(options, ast.Name) else options
    if isinstance(written, ast.Dict):
        for key, value in zip(written.keys, written.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "packages_to_install":
                yield from _packages(value, module, modules)


def _texts(node: ast.expr, module: _Module, modules: Modules, depth: int = 10) -> list[str] | None:
    """The texts of a list that is written out, here or in a constant; None where it cannot be read."""
    match node:
        case ast.Constant(value=None):
            return []
        case ast.List(elts=items) | ast.Tuple(elts=items):
            parts = [_item_texts(item, module, modules, depth - 1) for item in items]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [_texts(left, module, modules, depth - 1), _texts(right, module, modules, depth - 1)]
        case ast.Name() | ast.Attribute():
            home, constant = _constant(node, module, modules)
            parts = [_texts(constant, home, modules, depth - 1) if constant and depth else None]
        case _:
            return None
    return None if None in parts else [text for part in parts for text in part or []]


def _item_texts(item: ast.expr, module: _Module, modules: Modules, depth: int) -> list[str] | None:
    if isinstance(item, ast.Starred):
        return _texts(item.value, module, modules, depth)
    if isinstance(item, ast.Name | ast.Attribute):
        module, constant = _constant(item, module, modules)
        item = constant or item
    return [item.value] if isinstance(item, ast.Constant) and isinstance(item.value, str) else None


def _constant(node: ast.expr, module: _Module, modules: Modules) -> tuple[_Module, ast.expr | None]:
    """What a name stands for, and the module in which that is written."""
    if isinstance(node, ast.Name) and node.id in module.constants:
        return module, module.constants[node.id]
    home, _, name = _split(_resolve(_dotted(node), module, modules), modules)
    return (home, home.constants.get(name)) if home else (module, None)
