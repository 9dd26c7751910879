"""Everything that can be said about a workspace offline: its specs, and the source of its pipelines. Imports nothing heavy."""

from pathlib import Path

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.source_refusals import SourceRefusal, find_refused
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic, ordered
from mlx_specs.graph import Node
from mlx_specs.load import Loaded
from mlx_specs.pipeline import Pipeline
from mlx_specs.validate import check


def check_workspace(root: Path, environment: str | None) -> tuple[Loaded, tuple[Diagnostic, ...]]:
    """The environment and its graph, and all problems; where one is an error, nothing can be planned."""
    loaded, found = check(root, environment)
    if loaded.graph is None or loaded.environment.spec.target.type != "local":
        return loaded, tuple(found)
    for node in loaded.graph.objects:
        if isinstance(node.object, Pipeline):
            found += _source_problems(node, node.object.spec.entry, root)
    return loaded, tuple(ordered(found))


def _source_problems(node: Node, entry: str, root: Path) -> list[Diagnostic]:
    try:
        return [_located(refusal, root) for refusal in find_refused(entry, root)]
    except PipelineError as error:
        return [node.problem(("spec", "entry"), "entry", str(error), error.hint)]


def _located(refusal: SourceRefusal, root: Path) -> Diagnostic:
    path = refusal.path.relative_to(root).as_posix() if refusal.path.is_relative_to(root) else str(refusal.path)
    place = Place(File(path, refusal.path.read_text(encoding="utf-8")), refusal.line, refusal.column)
    return diagnostic(place, "unsupported", refusal.message, refusal.hint)
