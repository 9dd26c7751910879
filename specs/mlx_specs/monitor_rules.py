"""The rules of monitors: there is something to watch, and a time to look."""

from collections.abc import Iterator

from mlx_specs.diagnostics import Diagnostic
from mlx_specs.environment import KubernetesTarget
from mlx_specs.graph import Node
from mlx_specs.inference import Inference
from mlx_specs.load import Draught
from mlx_specs.monitor import Monitor


def monitors_watch_what_runs(draught: Draught) -> Iterator[Diagnostic]:
    """An endpoint or a batch run; of a batch each run is one window."""
    for node, monitor, inference in _watched(draught):
        path = ("spec", "inference")
        if inference.spec.mode == "stream":
            yield node.problem(path, "unsupported", f"no monitor looks at streams yet, and '{monitor.spec.inference}' is one", "watch an endpoint or a batch")
        elif inference.spec.mode == "batch" and "size" in monitor.spec.window.model_fields_set:
            message = f"'{monitor.spec.inference}' is a batch: each run is one window, however long it is"
            yield node.problem(("spec", "window", "size"), "unsupported", message, "take it out; window.minimum holds for both", key=True)


def monitors_on_a_cluster_have_a_schedule(draught: Draught) -> Iterator[Diagnostic]:
    """Nobody is there to ask."""
    if not isinstance(draught.chosen.object.spec.target, KubernetesTarget):
        return
    for node in draught.graph.of_kind("Monitor"):
        assert isinstance(node.object, Monitor)
        if node.object.spec.schedule is None:
            hint = "write schedule: '0 6 * * *' here, or as an override in the environment's file"
            yield node.problem(("spec",), "missing-field", "a monitor on a cluster looks by its schedule, and this one has none", hint, key=True)


def _watched(draught: Draught) -> Iterator[tuple[Node, Monitor, Inference]]:
    for node in draught.graph.of_kind("Monitor"):
        assert isinstance(node.object, Monitor)
        found = draught.graph.get(f"Inference/{node.object.spec.inference}")
        if found is not None and isinstance(found.object, Inference):
            yield node, node.object, found.object


RULES = (monitors_watch_what_runs, monitors_on_a_cluster_have_a_schedule)
