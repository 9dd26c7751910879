"""The digest of a pipeline's code, by syntax trees only: nothing of the user's is imported or executed.

Enters: an entry such as ``my_pipelines:train``. Leaves: one sha256 for each top-level function of its module and of every
module of the workspace and of mlx_pipelines that it reaches by an import, also by one inside a function. Comments,
formatting and docstrings do not count; what is installed in site-packages does not either.
"""

import ast
import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlx_pipelines.errors import PipelineError
from mlx_specs.digests import digest

OWN_PACKAGE = "mlx_pipelines"
OWN_ROOT = Path(__file__).parent.parent
AFTER_TRAINING = frozenset(
    f"{OWN_PACKAGE}.{name}"
    for name in (
        "code",
        "contract",
        "errors",
        "evaluation",
        "gate",
        "kept",
        "leaderboard",
        "plots",
        "recording",
        "registered",
        "registry",
        "registry_reads",
        "registry_rest",
        "registry_server",
    )
)
"""What measures, packages, judges and records changes nothing of what was trained: a repair there trains no model again."""
FOLDER = "kfp_pipelines"
"""Of the workspace: its modules are importable in pipelines and as algorithms."""


CODE = "code.json"
"""In a run's folder: digests of the parts of the code that trained, so that a later plan can name what changed."""


@dataclass(frozen=True)
class Source:
    """One module's file."""

    module: str
    path: Path

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        return self.module if self.path.name == "__init__.py" else self.module.rpartition(".")[0]


def code_digest(entry: str, workspace: Path, *algorithms: str | None) -> str:
    """sha256 over :func:`code_parts`."""
    return digest(code_parts(entry, workspace, *algorithms))


def code_parts(entry: str, workspace: Path, *algorithms: str | None) -> dict[str, str]:
    """The digest of each part of the code: ``"MODULE:FUNCTION"``, and ``"MODULE:"`` for a module's other statements.

    ``algorithms`` are import paths, too; one that leads out of the workspace (into scikit-learn) adds nothing.
    """
    parts = [module_parts(source.module, tree) for source, tree in reached(entry, workspace, *algorithms)]
    return dict(sorted((name, text) for module in parts for name, text in module.items()))


def reached(entry: str, workspace: Path, *algorithms: str | None) -> Iterator[tuple[Source, ast.Module]]:
    """The entry's module and all that it reaches, parsed; what comes after training is left out."""
    roots = (workspace / FOLDER, OWN_ROOT)
    return closure([_entry_source(entry, roots), *(source for algorithm in algorithms for source in _algorithm_sources(algorithm, roots))], roots)


def closure(sources: Iterable[Source], roots: tuple[Path, Path]) -> Iterator[tuple[Source, ast.Module]]:
    """These modules and all that they reach below ``roots``, parsed, each once."""
    waiting, seen = list(sources), set[str]()
    while waiting:
        source = waiting.pop()
        if source.module not in seen:
            seen.add(source.module)
            tree = parse(source)
            yield source, tree
            waiting.extend(_imported(source, tree, roots))


def explain_change(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Sentences for a plan: ``train in mlx_pipelines/steps/train.py changed``."""
    changed = [f"{_where(part)} changed" for part in sorted(old.keys() & new.keys()) if old[part] != new[part]]
    added = [f"{_where(part)} is new" for part in sorted(new.keys() - old.keys())]
    removed = [f"{_where(part)} is gone" for part in sorted(old.keys() - new.keys())]
    return changed + added + removed


def split_entry(entry: str) -> tuple[str, str]:
    """``"pkg.module:function"`` or ``"pkg.module.function"`` -> module and function."""
    module, _, function = entry.rpartition(":" if ":" in entry else ".")
    return module, function


def _where(part: str) -> str:
    module, _, function = part.partition(":")
    return f"{function or 'the module'} in {module.replace('.', '/')}.py"


def _entry_source(entry: str, roots: tuple[Path, Path]) -> Source:
    module, function = split_entry(entry)
    source = find_module(module, roots)
    whole = find_module(entry, roots)
    if whole is not None:
        raise PipelineError(f"{entry!r} is a module: an entry is MODULE:FUNCTION", hint=_function_hint(entry, parse(whole)))
    if source is None:
        raise PipelineError(f"there is no module {module!r} for the pipeline {entry!r}", hint=_module_hint(module, roots[0]))
    names = _defined(parse(source))
    if function not in names:
        near = difflib.get_close_matches(function, names, n=1)
        raise PipelineError(f"{module} has no function {function!r}", hint=f"did you mean {module}:{near[0]}?" if near else f"define it in {source.path.name}")
    return source


def _function_hint(module: str, tree: ast.Module) -> str:
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and any("pipeline" in ast.unparse(each) for each in node.decorator_list)]
    return f"write {' or '.join(f'{module}:{name}' for name in functions)}" if functions else f"name the function under @dsl.pipeline: {module}:FUNCTION"


def _module_hint(module: str, folder: Path) -> str:
    present = sorted(path.stem for path in folder.glob("*.py")) if folder.is_dir() else []
    near = difflib.get_close_matches(module, present, n=1)
    return f"did you mean {near[0]!r}?" if near else f"modules in {FOLDER}/ of the workspace are found, and those of {OWN_PACKAGE}"


def _defined(tree: ast.Module) -> list[str]:
    assigned = [target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)]
    imported = [alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    return [name for node in tree.body if (name := _function_name(node))] + assigned + imported


def _algorithm_sources(algorithm: str | None, roots: tuple[Path, Path]) -> list[Source]:
    found = find_module(split_entry(algorithm)[0], roots) if algorithm else None
    return [found] if found else []


def find_module(module: str, roots: tuple[Path, Path]) -> Source | None:
    """The workspace's modules come first, as on PYTHONPATH; of ours, only mlx_pipelines counts."""
    workspace, own = roots
    for root in (workspace, own) if module.split(".")[0] == OWN_PACKAGE else (workspace,):
        base = root.joinpath(*module.split("."))
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if module and path.is_file():
                return Source(module, path)
    return None


def parse(source: Source) -> ast.Module:
    """The module's syntax tree; PipelineError with the place where it is no Python."""
    try:
        return ast.parse(source.path.read_bytes(), filename=str(source.path))
    except SyntaxError as error:
        raise PipelineError(f"{source.path}:{error.lineno}:{error.offset}: {error.msg}", hint=(error.text or "").strip()) from error
    except ValueError as error:
        raise PipelineError(f"{source.path} is not Python text: {error}") from error


def _imported(source: Source, tree: ast.Module, roots: tuple[Path, Path]) -> Iterator[Source]:
    for node in ast.walk(tree):
        for name in _imported_names(source, node):
            for prefix in _prefixes(name):
                found = find_module(prefix, roots)
                if found is not None and found.module not in AFTER_TRAINING:
                    yield found


def _imported_names(source: Source, node: ast.AST) -> list[str]:
    """``from a import b`` may mean the module a.b; both are tried."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    above = source.package.split(".")[: len(source.package.split(".")) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _prefixes(name: str) -> list[str]:
    """Importing a.b.c runs a and a.b, too."""
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def module_parts(module: str, tree: ast.Module) -> dict[str, str]:
    """A name that is defined twice has one part that holds both definitions."""
    texts: dict[str, list[str]] = {}
    for node in _without_docstring(tree.body):
        texts.setdefault(f"{module}:{_function_name(node)}", []).append(canonical(node))
    return {part: hashlib.sha256("\n".join(text).encode()).hexdigest() for part, text in texts.items()}


def _function_name(node: ast.stmt) -> str:
    return node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ""


def canonical(node: object) -> str:
    """Like ast.dump without positions, but the same for every Python version: empty and absent fields are left out."""
    if isinstance(node, list):
        return "[" + ",".join(canonical(item) for item in node) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    body = {"body": _without_docstring(node.body)} if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else {}
    fields = {**dict(ast.iter_fields(node)), **body}
    kept = {name: value for name, value in fields.items() if value not in (None, []) or (isinstance(node, ast.Constant) and name == "value")}
    kept.pop("kind", None)
    return f"{type(node).__name__}({','.join(f'{name}={canonical(value)}' for name, value in sorted(kept.items()))})"


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body
