"""Which parameters an algorithm or a pipeline takes, read from its source: quick, and nothing of it is imported or executed.

Enters: an import path and the workspace. Leaves: names, or None where only Python itself could tell (``**kwargs``, decorators,
compiled code, names that are made while a module runs). None never means that something is wrong.
"""

import ast
import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlx_pipelines.code import FOLDER, split_entry

DEEPEST = 12
"""Re-exports and base classes that are followed one after another."""
DYNAMIC = re.compile(r"__getattr__|globals\(|vars\(|locals\(|exec\(|setattr\(|sys\.modules|__path__|import \*")
"""With one of these a module may have names that are not written in it."""
OWN_SEARCH = re.compile(r"__path__|sys\.modules|meta_path|path_hooks")
"""With one of these a package may have modules that are not in its folder."""
WITHOUT_INIT = ("object", "abc.ABC")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Missing:
    """A part of an import path that leads nowhere."""

    message: str
    name: str
    options: tuple[str, ...]
    """What stands where the name was looked for."""


def parameter_names(algorithm: str, workspace: Path) -> frozenset[str] | None:
    """What the class's ``__init__`` or the function takes by name; None where that cannot be told."""
    found = _definition(*split_entry(algorithm), workspace, DEEPEST)
    match found:
        case _Definition(node=ast.ClassDef()):
            found = _init(found, workspace, DEEPEST)
        case None:
            return None
    match found:
        case _Definition(node=ast.FunctionDef() | ast.AsyncFunctionDef() as function, in_class=in_class):
            return _names(function, in_class=in_class)
        case _NoInit():
            return frozenset()
    return None


@dataclass(frozen=True)
class Taken:
    """What a pipeline's function takes by name."""

    names: frozenset[str]
    required: frozenset[str]
    """Those without a default."""


def pipeline_taken(entry: str, workspace: Path) -> Taken | None:
    """What the function under ``@dsl.pipeline`` takes; None where that cannot be told."""
    found = _definition(*split_entry(entry), workspace, DEEPEST)
    if found is None or not isinstance(found.node, ast.FunctionDef) or not _is_pipeline(found, workspace):
        return None
    arguments = found.node.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = names[: len(names) - len(arguments.defaults)]
    by_keyword = [argument.arg for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    return Taken(frozenset([*names, *(argument.arg for argument in arguments.kwonlyargs)]), frozenset([*required, *by_keyword]))


def find_missing(algorithm: str, workspace: Path) -> Missing | None:
    """The module or name that certainly does not exist; None where all exists, cannot be told, or the package is not installed."""
    module, name = split_entry(algorithm)
    parts = module.split(".")
    places = _top_level(parts[0], workspace)
    for end in range(1, len(parts)):
        inner = _within(places, parts[end])
        if not inner:
            return _missing_module(".".join(parts[:end]), places, parts[end])
        places = inner
    return _missing_name(module, places, name)


@dataclass(frozen=True)
class _Definition:
    module: str
    node: ast.ClassDef | Function
    in_class: bool = False


@dataclass(frozen=True)
class _NoInit:
    """A class whose bases are all known and have no ``__init__``: it takes nothing."""


def _definition(module: str, name: str, workspace: Path, depth: int) -> _Definition | None:
    """The class or function, through re-exports."""
    source = _source(module, workspace)
    if source is None or depth == 0:
        return None
    bound = _bindings(source).get(name, ())
    if len(bound) != 1:
        return None
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    match bound[0]:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() as node:
            return _Definition(module, node)
        case (ast.ImportFrom() as statement, str() as original):
            return _definition(_from(package, statement), original, workspace, depth - 1)
        case ast.Assign(value=ast.Name() | ast.Attribute() as value):
            return _meant(module, value, workspace, depth - 1)
        case _:
            return None


def _meant(module: str, expression: ast.expr, workspace: Path, depth: int) -> _Definition | None:
    """What ``Name``, ``module.Name`` or ``package.module.Name`` means in a module."""
    if isinstance(expression, ast.Name):
        return _definition(module, expression.id, workspace, depth)
    if not isinstance(expression, ast.Attribute):
        return None
    home = _module_meant(module, ast.unparse(expression.value), workspace)
    return _definition(home, expression.attr, workspace, depth) if home else None


def _module_meant(module: str, dotted: str, workspace: Path) -> str | None:
    source = _source(module, workspace)
    first, dot, rest = dotted.partition(".")
    bound = _bindings(source).get(first, ()) if source else ()
    package = module if source and source.name == "__init__.py" else module.rpartition(".")[0]
    match bound:
        case ((ast.Import(), str() as original),):
            return original + dot + rest
        case ((ast.ImportFrom() as statement, str() as original),):
            return f"{_from(package, statement)}.{original}{dot}{rest}"
        case _:
            return None


def _from(package: str, statement: ast.ImportFrom) -> str:
    parts = package.split(".")
    above = parts[: len(parts) - statement.level + 1] if statement.level else []
    return ".".join([*above, *([statement.module] if statement.module else [])])


def _is_pipeline(found: _Definition, workspace: Path) -> bool:
    """Any other decorator may change what is taken."""
    decorators = [node.func if isinstance(node, ast.Call) else node for node in found.node.decorator_list]
    if len(decorators) != 1:
        return False
    home, _, name = ast.unparse(decorators[0]).rpartition(".")
    if home:
        return (_module_meant(found.module, home, workspace), name) == ("kfp.dsl", "pipeline")
    source = _source(found.module, workspace)
    match _bindings(source).get(name, ()) if source else ():
        case ((ast.ImportFrom(module="kfp.dsl", level=0), "pipeline"),):
            return True
        case _:
            return False


def _init(found: _Definition, workspace: Path, depth: int) -> _Definition | _NoInit | None:
    """The ``__init__`` that making an instance calls: the class's own, or that of its bases from left to right."""
    node = found.node
    if not isinstance(node, ast.ClassDef) or depth == 0 or node.decorator_list or _has_metaclass(node):
        return None
    own = {name for statement in node.body for name in _bound_names(statement)}
    if "__init__" in own and "__new__" not in own and "__signature__" not in own:
        inits = [statement for statement in node.body if isinstance(statement, ast.FunctionDef) and statement.name == "__init__"]
        return _Definition(found.module, inits[0], in_class=True) if len(inits) == 1 else None
    return None if own & {"__init__", "__new__", "__signature__"} else _inherited(found.module, node.bases, workspace, depth - 1)


def _has_metaclass(node: ast.ClassDef) -> bool:
    return any(keyword.arg != "metaclass" or ast.unparse(keyword.value) not in ("ABCMeta", "abc.ABCMeta") for keyword in node.keywords)


def _inherited(module: str, bases: list[ast.expr], workspace: Path, depth: int) -> _Definition | _NoInit | None:
    for place, base in enumerate(bases):
        if _is_without_init(module, base, workspace):
            continue
        found = _meant(module, base, workspace, depth)
        init = _init(found, workspace, depth) if found else None
        if init is None or found is None:
            return None
        if isinstance(init, _Definition):
            # With a further base Python may find another __init__ before one that stands higher up.
            sure = place == len(bases) - 1 or (isinstance(found.node, ast.ClassDef) and init.node in found.node.body)
            return init if sure else None
    return _NoInit()


def _is_without_init(module: str, base: ast.expr, workspace: Path) -> bool:
    name = ast.unparse(base)
    source = _source(module, workspace)
    match _bindings(source).get(name, ()) if source else ():
        case ((ast.ImportFrom(module=str() as origin, level=0), str() as original),):
            return f"{origin}.{original}" in WITHOUT_INIT
        case ():
            return name in WITHOUT_INIT
        case _:
            return False


def _names(function: Function, *, in_class: bool) -> frozenset[str] | None:
    """A decorator may change what is taken, and ``**`` takes everything."""
    arguments = function.args
    if function.decorator_list or arguments.kwarg:
        return None
    positional = [*arguments.posonlyargs, *arguments.args][1 if in_class else 0 :]
    by_name = [argument for argument in positional if argument not in arguments.posonlyargs]
    return frozenset(argument.arg for argument in (*by_name, *arguments.kwonlyargs))


def _source(module: str, workspace: Path) -> Path | None:
    """The module's file; None for what is compiled, a namespace, or not there."""
    first, *rest = module.split(".")
    places = _top_level(first, workspace)
    for part in rest:
        places = _within(places, part)
    sources = [path for path in places if path.suffix == ".py"]
    return sources[0] if sources and len(sources) == len(places) else None


def _top_level(name: str, workspace: Path) -> tuple[Path, ...]:
    """The workspace's modules come first, as when pipelines run; looking for a top-level name imports nothing."""
    own = _within((workspace / FOLDER / "__init__.py",), name)
    return own or _installed(name)


@lru_cache(maxsize=64)
def _installed(name: str) -> tuple[Path, ...]:
    try:
        spec = importlib.util.find_spec(name) if name else None
    except (ImportError, ValueError):
        return ()
    if spec is None or not spec.has_location or spec.origin is None:
        return ()
    return (Path(spec.origin),)


def _within(places: Iterable[Path], name: str) -> tuple[Path, ...]:
    """A module of a package: its file, compiled or not, or its folder where it has no file."""
    folders = [path if path.is_dir() else path.parent for path in places if path.is_dir() or path.name == "__init__.py"]
    for folder in folders:
        for path in (folder / name / "__init__.py", folder / f"{name}.py"):
            if path.is_file():
                return (path,)
        others = tuple(sorted(path for path in folder.glob(f"{name}.*") if path.suffix in (".so", ".pyd", ".pyc")))
        if others or (folder / name).is_dir():
            return others or (folder / name,)
    return ()


def _missing_module(package: str, places: tuple[Path, ...], name: str) -> Missing | None:
    (path,) = places if len(places) == 1 else (None,)
    if path is None or path.suffix != ".py" or _mentions(OWN_SEARCH, path):
        return None
    if path.name != "__init__.py":
        return Missing(f"{package} is a module, it has no module {name!r}", name, ())
    inner = {entry.name.partition(".")[0] for entry in path.parent.iterdir() if entry.suffix in (".py", ".so") or (entry / "__init__.py").is_file()}
    return Missing(f"{package} has no module {name!r}", name, _public(inner))


def _missing_name(module: str, places: tuple[Path, ...], name: str) -> Missing | None:
    (path,) = places if len(places) == 1 else (None,)
    if path is None or path.suffix != ".py" or _mentions(DYNAMIC, path) or _within(places, name):
        return None
    bindings = _bindings(path)
    return None if not bindings.readable or name in bindings else Missing(f"{module} has no {name!r}", name, _public(bindings))


def _public(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if not name.startswith("_")))


def _mentions(words: re.Pattern[str], path: Path) -> bool:
    return words.search(path.read_text(encoding="utf-8", errors="replace")) is not None


class _Bindings(dict[str, tuple[object, ...]]):
    """Top-level names and the statements that bind them; imports as (statement, original name)."""

    readable: bool = True


def _bindings(path: Path) -> _Bindings:
    stat = path.stat()
    return _read_bindings(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read_bindings(path: Path, changed: int, size: int) -> _Bindings:
    found = _Bindings()
    try:
        statements = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        found.readable = False
        return found
    for statement in _flat(statements):
        for name, bound in _bound(statement):
            found[name] = (*found.get(name, ()), bound)
    return found


def _flat(statements: list[ast.stmt]) -> Iterable[ast.stmt]:
    """Also what stands below ``if``, ``try``, ``with`` and loops."""
    for statement in statements:
        yield statement
        if not isinstance(statement, ast.ClassDef | Function):
            for block in ("body", "orelse", "finalbody"):
                yield from _flat(getattr(statement, block, []))
            for inner in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
                yield from _flat(inner.body)


def _bound(statement: ast.stmt) -> list[tuple[str, object]]:
    if isinstance(statement, ast.ImportFrom):
        return [(alias.asname or alias.name, (statement, alias.name)) for alias in statement.names]
    if isinstance(statement, ast.Import):
        return [(alias.asname or alias.name.split(".")[0], (statement, alias.name if alias.asname else alias.name.split(".")[0])) for alias in statement.names]
    return [(name, statement) for name in _bound_names(statement)]


def _bound_names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.ClassDef | Function):
        return [statement.name]
    return [node.id for node in _own_expressions(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _own_expressions(statement: ast.stmt) -> Iterable[ast.AST]:
    """Without the blocks below it, which are looked at by themselves."""
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from ast.walk(child)
