"""The rules between specs: one small function a rule, its docstring the sentence that it enforces.

Everything that could be made of a workspace enters; diagnostics leave. A rule trusts the fields of the objects that it sees:
those with problems of their own are not among them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from mlx_specs.candidate_rules import RULES as CANDIDATE_RULES
from mlx_specs.capacity_rules import RULES as CAPACITY_RULES
from mlx_specs.cluster import Cluster
from mlx_specs.column_rules import RULES as COLUMN_RULES
from mlx_specs.column_rules import columns_of
from mlx_specs.dataset import Dataset, PrepareStep, SqlStep
from mlx_specs.diagnostics import Diagnostic, did_you_mean, listing, there_are
from mlx_specs.documents import Path
from mlx_specs.environment import KubernetesTarget
from mlx_specs.feature_column_rules import RULES as FEATURE_COLUMN_RULES
from mlx_specs.feature_rules import RULES as FEATURE_RULES
from mlx_specs.graph import Node
from mlx_specs.image_rules import RULES as IMAGE_RULES
from mlx_specs.inference import Inference
from mlx_specs.load import Draught
from mlx_specs.model import CLASSIFICATION_METRICS, REGRESSION_METRICS, Model
from mlx_specs.monitor import Monitor
from mlx_specs.monitor_rules import RULES as MONITOR_RULES
from mlx_specs.pipeline import Pipeline
from mlx_specs.references import Reference, references
from mlx_specs.secret_rules import literal_secrets
from mlx_specs.state import FILE_BACKEND
from mlx_specs.storage_rules import RULES as STORAGE_RULES
from mlx_specs.stream_rules import RULES as STREAM_RULES
from mlx_specs.support import refusals

Rule = Callable[[Draught], Iterator[Diagnostic]]


def problems(draught: Draught) -> list[Diagnostic]:
    """What all rules find."""
    return [found for rule in RULES for found in rule(draught)]


def references_lead_somewhere(draught: Draught) -> Iterator[Diagnostic]:
    """A reference names an object that exists in this environment."""
    if not draught.complete:
        return
    names: dict[str, list[str]] = {}
    for id in sorted(draught.ids):
        kind, _, name = id.partition("/")
        names.setdefault(kind, []).append(name)
    for node in draught.graph.objects:
        for reference in references(node.object):
            if reference.id not in draught.ids:
                yield _dangling(node, reference, names.get(reference.kind, []), draught)


def _dangling(node: Node, reference: Reference, names: Sequence[str], draught: Draught) -> Diagnostic:
    if reference.id in draught.elsewhere:
        message = f"{reference.kind} '{reference.name}' does not exist in environment '{draught.chosen.name}'"
        return node.problem(reference.path, "reference", message, f"it names environments: {listing(draught.elsewhere[reference.id])}")
    if node.object.kind == "Inference" and reference.kind == "Model" and not did_you_mean(reference.name, names):
        return _awaited(node, reference)
    hint = there_are(names)
    return node.problem(reference.path, "reference", f"there is no {reference.kind} '{reference.name}'{did_you_mean(reference.name, names)}", hint)


def _awaited(node: Node, reference: Reference) -> Diagnostic:
    """An endpoint may be declared before its model: it waits, and the first version that passes its gates completes it."""
    message = f"Model '{reference.name}' is not declared yet: {node.id} will wait for it"
    return node.problem(reference.path, "awaited", message, "declare it when it is there; nothing else has to change", severity="warning")


def no_cycles(draught: Draught) -> Iterator[Diagnostic]:
    """Objects do not depend on themselves, through whatever chain."""
    done: set[str] = set()
    for id in draught.graph.cyclic:
        cycle = _cycle(id, draught)
        if cycle and not done & set(cycle):
            done |= set(cycle)
            node = draught.graph.get(cycle[0])
            assert node is not None
            path = next(reference.path for reference in references(node.object) if reference.id == cycle[1 % len(cycle)])
            yield node.problem(path, "cycle", f"these depend on each other: {' -> '.join((*cycle, cycle[0]))}", "one of them has to go without the others")


def _cycle(start: str, draught: Draught) -> list[str]:
    """The cycle that one meets from here, beginning with its smallest id."""
    trail: list[str] = []
    here: str | None = start
    while here is not None and here not in trail:
        trail.append(here)
        node = draught.graph.get(here)
        here = next((id for id in node.references if id in draught.graph.cyclic), None) if node is not None else None
    if here is None:
        return []
    cycle = trail[trail.index(here) :]
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]


def rows_come_from_somewhere(draught: Draught) -> Iterator[Diagnostic]:
    """A dataset has a source, or inputs and a first sql step; inputs are read by a sql step and named once."""
    for node, dataset in _of(draught, Dataset):
        spec = dataset.spec
        if spec.source is None and not spec.inputs:
            yield node.problem(("spec",), "missing-field", "a dataset needs 'source', or 'inputs' and a first sql step", key=True)
        if spec.inputs and not any(isinstance(step, SqlStep) for step in spec.prepare):
            yield node.problem(
                ("spec", "inputs"), "unused", "no sql step reads these inputs", "add a step - sql: select ... under prepare, or remove inputs", key=True
            )
        for index, name in enumerate(spec.inputs):
            if name != "source" and _is_unread(name, spec.prepare):
                yield node.problem(("spec", "inputs", index), "unused", f"no sql step reads the input '{name}'", "read it in a sql step, or remove it")
            if name in spec.inputs[:index]:
                yield node.problem(("spec", "inputs", index), "duplicate", f"'{name}' is named twice")


def _is_unread(name: str, steps: Sequence[PrepareStep]) -> bool:
    """Whether there is SQL, and none that has the input's name in it."""
    texts = [step.sql for step in steps if isinstance(step, SqlStep)]
    table = re.compile(rf"\b{name.replace('-', '_')}\b", re.IGNORECASE)
    return bool(texts) and not any(table.search(text) for text in texts)


def lists_name_each_thing_once(draught: Draught) -> Iterator[Diagnostic]:
    """Keys, events and features are listed once."""
    for node, dataset in _of(draught, Dataset):
        yield from _repeated(node, ("spec", "keys"), dataset.spec.keys)
        yield from _repeated(node, ("spec", "timeline"), dataset.spec.timeline)
    for node, model in _of(draught, Model):
        yield from _repeated(node, ("spec", "features"), model.spec.features or [])
        yield from _repeated(node, ("spec", "success"), [criterion.metric for criterion in model.spec.success])
    for node, inference in _of(draught, Inference):
        yield from _repeated(node, ("spec", "batch", "columns"), inference.spec.batch.columns if inference.spec.batch else [])
        yield from _repeated(node, ("spec", "stream", "columns"), inference.spec.stream.columns if inference.spec.stream else [])


def _repeated(node: Node, path: Path, names: Sequence[str]) -> Iterator[Diagnostic]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield node.problem((*path, index), "duplicate", f"'{name}' is named twice")


def aliases_are_moved_by_an_apply(draught: Draught) -> Iterator[Diagnostic]:
    """An inference follows an alias that an apply moves."""
    for node, inference in _of(draught, Inference):
        model, _, alias = inference.spec.model.partition("@")
        if alias not in ALIASES:
            hint = f"write {model}@champion: the best version that passed its criteria"
            yield node.problem(("spec", "model"), "reference", f"nothing ever moves the alias '{alias}'", hint)


def metrics_fit_the_task(draught: Draught) -> Iterator[Diagnostic]:
    """A classification is judged by classification metrics, a regression by regression metrics."""
    for node, model in _of(draught, Model):
        for index, criterion in enumerate(model.spec.success):
            yield from _metric_fits(node, ("spec", "success", index, "metric"), criterion.metric, model)
    for node, monitor in _of(draught, Monitor):
        model = _watched_model(monitor, draught)
        if monitor.spec.performance is not None and model is not None:
            yield from _metric_fits(node, ("spec", "performance", "metric"), monitor.spec.performance.metric, model)


def _metric_fits(node: Node, path: Path, metric: str, model: Model) -> Iterator[Diagnostic]:
    allowed = {"classification": CLASSIFICATION_METRICS, "regression": REGRESSION_METRICS}.get(model.spec.task)
    if allowed is not None and metric not in allowed:
        yield node.problem(path, "metric", f"'{metric}' does not judge a {model.spec.task}", f"one of {listing(allowed)}")


def _watched_model(monitor: Monitor, draught: Draught) -> Model | None:
    inference = draught.graph.get(f"Inference/{monitor.spec.inference}")
    if inference is None or not isinstance(inference.object, Inference):
        return None
    model = draught.graph.get(f"Model/{inference.object.spec.model.partition('@')[0]}")
    return model.object if model is not None and isinstance(model.object, Model) else None


def splits_by_time_have_a_time(draught: Draught) -> Iterator[Diagnostic]:
    """A split by time needs the dataset's event time."""
    for node, model in _of(draught, Model):
        data = draught.graph.get(f"Dataset/{model.spec.data}")
        if model.spec.split.by == "time" and data is not None and isinstance(data.object, Dataset) and data.object.spec.event_time is None:
            message = f"a split by time needs 'eventTime' of Dataset/{model.spec.data}, which has none"
            yield node.problem(("spec", "split"), "missing-field", message, f"declare eventTime at {data.place}, or split by: random", key=True)


def pools_exist(draught: Draught) -> Iterator[Diagnostic]:
    """A pool is a node pool of the environment's cluster."""
    target = draught.chosen.object.spec.target
    cluster = draught.graph.get(f"Cluster/{target.cluster}") if isinstance(target, KubernetesTarget) else None
    if cluster is None or not isinstance(cluster.object, Cluster):
        return
    pools = cluster.object.spec.node_pools
    for node in draught.graph.objects:
        for path, pool in _pools(node):
            if pool not in pools:
                yield node.problem(path, "reference", f"there is no pool '{pool}' in {cluster.id}{did_you_mean(pool, pools)}", there_are(sorted(pools)))


def _pools(node: Node) -> Iterator[tuple[Path, str]]:
    if isinstance(node.object, Pipeline):
        for name, step in node.object.spec.steps.items():
            if step.compute.pool is not None:
                yield ("spec", "steps", name, "compute", "pool"), step.compute.pool
    compute = getattr(node.object.spec, "compute", None)
    if compute is not None and compute.pool is not None:
        yield ("spec", "compute", "pool"), compute.pool


def the_cluster_exists(draught: Draught) -> Iterator[Diagnostic]:
    """An environment on Kubernetes names a Cluster that exists, and a source of promotion that exists."""
    spec, document = draught.chosen.object.spec, draught.chosen.document
    clusters = [id.partition("/")[2] for id in sorted(draught.ids | draught.elsewhere.keys()) if id.startswith("Cluster/")]
    if isinstance(spec.target, KubernetesTarget) and spec.target.cluster not in clusters and draught.complete:
        message = f"there is no Cluster '{spec.target.cluster}'{did_you_mean(spec.target.cluster, clusters)}"
        yield document.problem(("spec", "target", "cluster"), "reference", message, there_are(clusters))
    if spec.promoted_from is not None and spec.promoted_from not in draught.environments:
        others = sorted(draught.environments.keys() - {draught.chosen.name})
        message = f"there is no environment '{spec.promoted_from}'{did_you_mean(spec.promoted_from, others)}"
        yield document.problem(("spec", "promotedFrom"), "reference", message, there_are(others))
    if spec.promoted_from == draught.chosen.name:
        yield document.problem(("spec", "promotedFrom"), "reference", "an environment is not promoted from itself")


def a_first_model_completes_its_endpoint(draught: Draught) -> Iterator[Diagnostic]:
    """On a cluster an endpoint is completed by an apply there, which needs a state that pods can read."""
    spec, document = draught.chosen.object.spec, draught.chosen.document
    waits = spec.models == "follow" and any(node.references for node in draught.graph.of_kind("Inference"))
    if isinstance(spec.target, KubernetesTarget) and spec.state.backend.startswith(FILE_BACKEND) and waits:
        message = "the state is a folder of this machine: endpoints that wait for a model need a second apply once it is trained"
        hint = "keep it where pods can read it: state: {backend: s3://BUCKET/PREFIX}"
        yield document.problem(("spec", "state"), "awaited", message, hint, key=True, severity="warning")


def what_is_promoted_is_pinned(draught: Draught) -> Iterator[Diagnostic]:
    """An environment that is promoted to is pinned: one that follows its registry makes its own versions."""
    spec, document = draught.chosen.object.spec, draught.chosen.document
    if spec.promoted_from is not None and spec.models != "pinned":
        message = f"'promotedFrom' has no effect: {draught.chosen.name} follows its registry, so nothing is promoted to it"
        yield document.problem(("spec", "promotedFrom"), "ignored-field", message, "write models: pinned, or leave promotedFrom out", key=True)


def modes_have_their_own_settings(draught: Draught) -> Iterator[Diagnostic]:
    """Replicas are of an endpoint, nodes of a run over rows: the other one would be ignored."""
    for node, inference in _of(draught, Inference):
        spec = inference.spec
        if spec.scaling is not None and spec.mode != "realtime":
            yield node.problem(("spec", "scaling"), "ignored-field", f"'scaling' does not belong to mode {spec.mode}", "use compute.nodes", key=True)
        if spec.mode == "realtime" and spec.compute is not None and spec.compute.is_spread:
            yield node.problem(("spec", "compute", "nodes"), "ignored-field", "an endpoint runs in replicas, not on several nodes", "use scaling", key=True)


def a_schedule_trains_on_one_node(draught: Draught) -> Iterator[Diagnostic]:
    """What runs by a schedule is the pipeline; training on several nodes begins with an apply."""
    for node, model in _of(draught, Model):
        spread = model.spec.compute is not None and model.spec.compute.is_spread
        if spread and model.spec.retraining is not None and model.spec.retraining.schedule is not None:
            hint = "leave one of them out; an apply in CI, by a schedule of its own, trains on several nodes when the rows are new"
            yield node.problem(("spec", "compute", "nodes"), "ignored-field", "a schedule retrains on one node, not on several", hint, key=True)


def endpoints_have_ports_of_their_own(draught: Draught) -> Iterator[Diagnostic]:
    """Two endpoints of an environment do not ask for the same port."""
    taken: dict[int, str] = {}
    for node, inference in _of(draught, Inference):
        port = inference.spec.realtime.port if inference.spec.realtime is not None else None
        if port is not None and taken.setdefault(port, node.id) != node.id:
            yield node.problem(("spec", "realtime", "port"), "duplicate", f"port {port} is asked for by {taken[port]}, too", "leave it out for a free one")


def the_target_can_do_it(draught: Draught) -> Iterator[Diagnostic]:
    """What the environment's target cannot do is refused by name; a target that could not be read says nothing of it."""
    environment = draught.chosen.object
    if _written_target(draught.chosen.document.value) in ("", environment.spec.target.type):
        yield from refusals(draught.graph, environment, draught.chosen.document)


def _written_target(value: Any) -> str:
    """The type that stands in the file; an environment that has problems is a default one meanwhile."""
    for name in ("spec", "target", "type"):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def columns_hold(draught: Draught) -> Iterator[Diagnostic]:
    """Columns exist where they are named, and nothing is used before it is known."""
    columns = columns_of(draught)
    for rule in (*COLUMN_RULES, *FEATURE_COLUMN_RULES):
        yield from rule(columns)


T = TypeVar("T")


def _of(draught: Draught, kind: type[T]) -> Iterator[tuple[Node, T]]:
    for node in draught.graph.objects:
        if isinstance(node.object, kind):
            yield node, node.object


ALIASES = ("champion",)
RULES: tuple[Rule, ...] = (
    references_lead_somewhere,
    no_cycles,
    rows_come_from_somewhere,
    lists_name_each_thing_once,
    aliases_are_moved_by_an_apply,
    metrics_fit_the_task,
    splits_by_time_have_a_time,
    pools_exist,
    the_cluster_exists,
    a_first_model_completes_its_endpoint,
    what_is_promoted_is_pinned,
    modes_have_their_own_settings,
    a_schedule_trains_on_one_node,
    endpoints_have_ports_of_their_own,
    *CANDIDATE_RULES,
    *FEATURE_RULES,
    *CAPACITY_RULES,
    *IMAGE_RULES,
    *MONITOR_RULES,
    *STORAGE_RULES,
    *STREAM_RULES,
    the_target_can_do_it,
    literal_secrets,
    columns_hold,
)
