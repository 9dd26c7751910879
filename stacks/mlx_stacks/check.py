"""Everything that can be said about a workspace offline: its specs, and the source of its pipelines and algorithms. Imports nothing heavy."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlx_pipelines import contract
from mlx_pipelines.code import reached
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.networks import is_network, own_parameters
from mlx_pipelines.signature import find_missing, parameter_names, pipeline_taken
from mlx_pipelines.source_refusals import SourceRefusal, find_refused
from mlx_specs.class_weight import HINT as CLASS_WEIGHT_HINT
from mlx_specs.class_weight import is_class_weight
from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic, did_you_mean, listing, ordered
from mlx_specs.documents import Path as FieldPath
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph, Node
from mlx_specs.load import Loaded
from mlx_specs.model import Model, ModelSpec
from mlx_specs.pipeline import Pipeline
from mlx_specs.validate import check
from mlx_stacks.feature_functions import function_problems

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
        elif isinstance(node.object, Model):
            found += _model_problems(node, node.object, loaded.graph, root)
        elif isinstance(node.object, FeatureStore):
            found += function_problems(node, node.object, root)
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


def _model_problems(node: Node, model: Model, graph: Graph, root: Path) -> list[Diagnostic]:
    pipeline = graph.get(f"Pipeline/{model.spec.pipeline}")
    if pipeline is None or not isinstance(pipeline.object, Pipeline):
        return []
    entry = pipeline.object.spec.entry
    found = _taken_problems(node, model, entry, root)
    if not found and _is_made_by_us(entry, root):
        for algorithm, path, parameters in _algorithms(model.spec):
            found += _algorithm_problems(node, algorithm, path, parameters, root)
        found += _weight_problems(node, model, graph)
    return found


def _algorithms(spec: ModelSpec) -> Iterator[tuple[str, FieldPath, dict[str, FieldPath]]]:
    """Each that may be fitted, where it stands, and the parameters that it is given with their places."""
    searched: dict[str, FieldPath] = {name: ("spec", "search", "parameters", name) for name in (spec.search.parameters if spec.search else ())}
    if spec.algorithm is not None:
        own: dict[str, FieldPath] = {name: ("spec", "parameters", name) for name in spec.parameters}
        yield spec.algorithm, ("spec", "algorithm"), own | searched
    for index, candidate in enumerate(spec.candidates):
        here: FieldPath = ("spec", "candidates", index)
        theirs: dict[str, FieldPath] = {name: (*here, "parameters", name) for name in candidate.parameters}
        is_searched = spec.search is not None and spec.search.candidate == candidate.label
        yield candidate.algorithm, (*here, "algorithm"), theirs | (searched if is_searched else {})


def _taken_problems(node: Node, model: Model, entry: str, root: Path) -> list[Diagnostic]:
    """A field that the pipeline's function has no parameter for would be ignored; one that it needs must be there."""
    taken = pipeline_taken(entry, root)
    if taken is None:
        return []
    written = [name for name in contract.ONLY_BY_PIPELINE if name in model.spec.model_fields_set and getattr(model.spec, name) is not None]
    found = [
        node.problem(("spec", name), "ignored-field", contract.ignored_words(entry, name), contract.ignored_hint(name), key=True)
        for name in written
        if name not in taken.names
    ]
    if model.spec.algorithm is None and not model.spec.candidates and "algorithm" in taken.required:
        hint = "a scikit-learn estimator class, or a function that returns one, by import path"
        found.append(node.problem(("spec", "algorithm"), "missing-field", f"missing field 'algorithm': {entry} takes it", hint, key=True))
    return found


def _is_made_by_us(entry: str, root: Path) -> bool:
    """A pipeline that never reaches our training may mean anything by algorithm and parameters."""
    try:
        return any(source.module == MAKES_ESTIMATORS for source, _ in reached(entry, root))
    except PipelineError:
        return False


def _algorithm_problems(node: Node, algorithm: str, path: FieldPath, parameters: Mapping[str, FieldPath], root: Path) -> list[Diagnostic]:
    """What training would stop at: an algorithm that is not there, a parameter that it does not take."""
    missing = find_missing(algorithm, root)
    if missing is not None:
        message = missing.message + did_you_mean(missing.name, missing.options)
        hint = f"it has {listing(missing.options, SHOWN)}" if missing.options else "look at the model's algorithm"
        return [node.problem(path, "algorithm", message, hint)]
    accepted = parameter_names(algorithm, root)
    if accepted is not None and is_network(accepted):
        accepted = own_parameters(accepted)
    return [] if accepted is None else [_parameter(node, algorithm, name, place, accepted) for name, place in parameters.items() if name not in accepted]


def _weight_problems(node: Node, model: Model, graph: Graph) -> list[Diagnostic]:
    """Keys are text; where the labels are not, no label would have a weight."""
    data = graph.get(f"Dataset/{model.spec.data}")
    column = data.object.spec.columns.get(model.spec.target) if data is not None and isinstance(data.object, Dataset) else None
    if column is None or column.type not in ("integer", "boolean"):
        return []
    words = f"labels of type {column.type} cannot be keys here"
    given: list[tuple[FieldPath, dict[str, Any]]] = [(("spec",), model.spec.parameters)]
    given += [(("spec", "candidates", index), candidate.parameters) for index, candidate in enumerate(model.spec.candidates)]
    weights = [(path, name) for path, values in given for name, value in values.items() if is_class_weight(name) and isinstance(value, dict)]
    return [node.problem((*path, "parameters", name), "parameter", f"{name}: {words}", CLASS_WEIGHT_HINT, key=True) for path, name in weights]


def _parameter(node: Node, algorithm: str, name: str, place: FieldPath, accepted: frozenset[str]) -> Diagnostic:
    message = f"{algorithm} has no parameter {name!r}" + did_you_mean(name, accepted)
    hint = f"it takes {listing(sorted(accepted), SHOWN)}" if accepted else "it takes no parameters"
    return node.problem(place, "parameter", message, hint, key=True)
