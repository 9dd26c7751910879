"""Everything that can be said about a workspace offline: its specs, and the source of its pipelines and algorithms. Imports nothing heavy."""

from pathlib import Path

from mlx_pipelines.code import reached
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.signature import find_missing, parameter_names
from mlx_pipelines.source_refusals import SourceRefusal, find_refused
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic, did_you_mean, listing, ordered
from mlx_specs.graph import Graph, Node
from mlx_specs.load import Loaded
from mlx_specs.model import Model
from mlx_specs.pipeline import Pipeline
from mlx_specs.validate import check

MAKES_ESTIMATORS = "mlx_pipelines.algorithm"
SHOWN = 40
"""Parameters in a hint: an estimator of scikit-learn has up to 30."""


def check_workspace(root: Path, environment: str | None) -> tuple[Loaded, tuple[Diagnostic, ...]]:
    """The environment and its graph, and all problems; where one is an error, nothing can be planned."""
    loaded, found = check(root, environment)
    if loaded.graph is None or loaded.environment.spec.target.type != "local":
        return loaded, tuple(found)
    for node in loaded.graph.objects:
        if isinstance(node.object, Pipeline):
            found += _source_problems(node, node.object.spec.entry, root)
        elif isinstance(node.object, Model) and _is_made_by_us(node.object, loaded.graph, root):
            found += _algorithm_problems(node, node.object, root)
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


def _is_made_by_us(model: Model, graph: Graph, root: Path) -> bool:
    """A pipeline that never reaches our training may mean anything by algorithm and parameters."""
    pipeline = graph.get(f"Pipeline/{model.spec.pipeline}")
    if pipeline is None or not isinstance(pipeline.object, Pipeline):
        return False
    try:
        return any(source.module == MAKES_ESTIMATORS for source, _ in reached(pipeline.object.spec.entry, root))
    except PipelineError:
        return False


def _algorithm_problems(node: Node, model: Model, root: Path) -> list[Diagnostic]:
    """What training would stop at: an algorithm that is not there, a parameter that it does not take."""
    algorithm = model.spec.algorithm
    missing = find_missing(algorithm, root)
    if missing is not None:
        message = missing.message + did_you_mean(missing.name, missing.options)
        hint = f"it has {listing(missing.options, SHOWN)}" if missing.options else "look at the model's algorithm"
        return [node.problem(("spec", "algorithm"), "algorithm", message, hint)]
    accepted = parameter_names(algorithm, root)
    return [] if accepted is None else [_parameter(node, algorithm, name, accepted) for name in model.spec.parameters if name not in accepted]


def _parameter(node: Node, algorithm: str, name: str, accepted: frozenset[str]) -> Diagnostic:
    message = f"{algorithm} has no parameter {name!r}" + did_you_mean(name, accepted)
    hint = f"it takes {listing(sorted(accepted), SHOWN)}" if accepted else "it takes no parameters"
    return node.problem(("spec", "parameters", name), "parameter", message, hint, key=True)
