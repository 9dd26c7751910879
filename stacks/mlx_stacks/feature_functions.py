"""What can be said of the functions of on-demand views by their syntax tree: that they are there, and take the view's inputs."""

from collections.abc import Iterator
from pathlib import Path

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.feature_code import function_parameters
from mlx_specs.diagnostics import Diagnostic, did_you_mean, listing
from mlx_specs.feature_services import all_of
from mlx_specs.feature_store import FeatureStore, OnDemandView
from mlx_specs.graph import Node


def function_problems(node: Node, store: FeatureStore, root: Path) -> Iterator[Diagnostic]:
    """One for each on-demand view whose function is not there or takes something else than the view's inputs."""
    for name, view in store.spec.on_demand_views.items():
        path = ("spec", "onDemandViews", name, "function")
        try:
            taken = function_parameters(view.function, root)
        except PipelineError as error:
            yield node.problem(path, "function", str(error), error.hint)
            continue
        inputs = _inputs(view, store)
        lacking = sorted(taken.required - set(inputs)) if taken is not None else []
        unknown = [one for one in inputs if one not in taken.names] if taken is not None and not taken.takes_any else []
        if taken is not None and (lacking or unknown):
            hint = f"the view's inputs are {listing(inputs)}; the function takes {listing(sorted(taken.names)) or 'nothing by name'}"
            yield node.problem(path, "function", _message(view.function, lacking, unknown, inputs, taken.names), hint)


def _message(function: str, lacking: list[str], unknown: list[str], inputs: list[str], names: frozenset[str]) -> str:
    if unknown:
        return f"{function} has no parameter '{unknown[0]}', an input of this view{did_you_mean(unknown[0], names)}"
    return f"{function} needs '{lacking[0]}', which is no input of this view{did_you_mean(lacking[0], inputs)}"


def _inputs(view: OnDemandView, store: FeatureStore) -> list[str]:
    views = store.spec.feature_views
    read = [name for source, names in view.inputs.views.items() for name in all_of(names, views[source].features)]
    return [*read, *view.inputs.request]
