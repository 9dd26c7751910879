"""What a target cannot do yet: one table, that shrinks to nothing.

``deferred``: a kind or a mode that is declared, planned and recorded, and not run. ``refused``: a field that is an error when
it is set, because it would be ignored. What stands in no row works.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from mlx_specs.diagnostics import Diagnostic
from mlx_specs.documents import Document
from mlx_specs.environment import Environment
from mlx_specs.graph import Graph
from mlx_specs.inference import Scaling
from mlx_specs.kinds import AnyObject


@dataclass(frozen=True)
class Row:
    """One thing that a target cannot do."""

    target: Literal["local", "kubernetes", "any"]
    kind: str
    field: str
    """A path below ``spec`` such as ``compute.gpu``; '' is the whole kind, ``*`` each value of a map."""
    verdict: Literal["deferred", "refused"]
    reason: str
    hint: str = ""
    values: tuple[Any, ...] = ()
    """The values that it is about; empty: any value but the default."""
    allowed: tuple[Any, ...] = ()
    """Values that are as good as leaving it out."""
    where: tuple[tuple[str, Any], ...] = ()
    """Other fields below ``spec`` and their values: the row is about objects that have all of them."""


ON_A_CLUSTER = "leave it out here; an override sets it in an environment with a cluster"
TABLE: tuple[Row, ...] = (
    Row("local", "Notebook", "", "deferred", "notebooks do not start yet"),
    Row("local", "Inference", "mode", "deferred", "streams do not run on this machine yet", values=("stream",)),
    Row("local", "Environment", "state.passphrase.kubernetes", "refused", "there is no Kubernetes to read a secret from", "use {env: NAME} or {file: PATH}"),
    Row("local", "Dataset", "schedule", "refused", "nothing runs by a schedule on this machine yet", "run mlx apply when the data changes"),
    Row("local", "Dataset", "compute", "refused", "all preparation shares this machine", ON_A_CLUSTER),
    Row("local", "Dataset", "source.url.kubernetes", "refused", "there is no Kubernetes to read a secret from", "use {env: NAME} or {file: PATH}"),
    Row("local", "FeatureStore", "onlineStore", "refused", "features are served from a file on this machine", "use type: sqlite"),
    Row("local", "FeatureStore", "offlineStore.type", "refused", "there is no Spark to join features with", "use duckdb", values=("spark",)),
    Row("local", "FeatureStore", "materialization.schedule", "refused", "nothing runs by a schedule on this machine yet", "use mlx features materialize"),
    Row("local", "Pipeline", "steps", "refused", "all steps of a pipeline share this machine", ON_A_CLUSTER),
    Row(
        "any",
        "Model",
        "task",
        "refused",
        "this kind of problem cannot be trained yet",
        "use classification or regression",
        values=("timeSeries", "text", "vision"),
    ),
    Row("local", "Model", "retraining", "refused", "nothing is retrained by itself yet", "run mlx apply when the data changes"),
    Row("local", "Model", "compute.nodes", "refused", "training is not distributed yet", ON_A_CLUSTER, allowed=(1,)),
    Row("local", "Model", "compute.pool", "refused", "this machine has no node pools", ON_A_CLUSTER),
    Row("local", "Inference", "scaling", "refused", "an endpoint has exactly one process on this machine", ON_A_CLUSTER, allowed=(Scaling(),)),
    Row("local", "Inference", "compute.gpu", "refused", "scoring uses no GPU yet", ON_A_CLUSTER, allowed=(0,)),
    Row("local", "Inference", "compute.nodes", "refused", "scoring is not distributed yet", ON_A_CLUSTER, allowed=(1,)),
    Row("local", "Inference", "compute.pool", "refused", "this machine has no node pools", ON_A_CLUSTER),
    Row("local", "Inference", "batch.schedule", "refused", "nothing runs by a schedule on this machine yet", "use mlx run"),
    Row("any", "Monitor", "performance", "refused", "labels are not joined with predictions yet", "watch dataDrift and predictionDrift: they need no labels"),
    Row(
        "any",
        "Monitor",
        "action",
        "refused",
        "a monitor retrains nothing yet",
        "use alert; a model's retraining.schedule retrains on a cluster",
        values=("retrain",),
    ),
    Row("local", "Monitor", "compute", "refused", "a look shares this machine", ON_A_CLUSTER),
    Row("kubernetes", "Monitor", "compute.nodes", "refused", "a look runs in one pod", "leave it out here", allowed=(1,)),
    Row("local", "Monitor", "schedule", "refused", "nothing runs by a schedule on this machine yet", "use mlx monitor run"),
    Row("kubernetes", "Environment", "state.passphrase.kubernetes", "refused", "it is read before the cluster is", "use {env: NAME} or {file: PATH}"),
    Row("kubernetes", "Dataset", "source.url.env", "refused", "no variable of this machine reaches a pod", "use {kubernetes: {name: SECRET, key: KEY}}"),
    Row("kubernetes", "Dataset", "source.url.file", "refused", "no file of this machine reaches a pod", "use {kubernetes: {name: SECRET, key: KEY}}"),
    Row(
        "kubernetes",
        "FeatureStore",
        "materialization",
        "refused",
        "no pod has the file of an sqlite store, so nothing is materialised",
        "use onlineStore.type: redis or postgres, or take it out here",
        where=(("onlineStore.type", "sqlite"),),
    ),
    *(
        Row(
            "kubernetes",
            "FeatureStore",
            "materialization.trigger",
            "refused",
            "mlx features does not reach a cluster's online store yet",
            "use apply, or add a schedule",
            values=("manual",),
            where=(("onlineStore.type", store), ("materialization.schedule", None)),
        )
        for store in ("redis", "postgres")
    ),
    Row("kubernetes", "FeatureStore", "offlineStore.type", "refused", "features are joined with DuckDB yet", "use duckdb", values=("spark",)),
    Row("kubernetes", "Pipeline", "steps.*.compute.nodes", "refused", "a step runs in one pod", "the model's compute.nodes spreads training", allowed=(1,)),
    Row("kubernetes", "Notebook", "compute.nodes", "refused", "a notebook runs in one pod", "leave it out here", allowed=(1,)),
    Row("kubernetes", "Inference", "stream.kafka.env", "refused", "no variable of this machine reaches a pod", "use {kubernetes: {name: SECRET, key: KEY}}"),
    Row("kubernetes", "Inference", "stream.kafka.file", "refused", "no file of this machine reaches a pod", "use {kubernetes: {name: SECRET, key: KEY}}"),
    Row("kubernetes", "Inference", "realtime.port", "refused", "an endpoint has an address of its own there", "leave it out here"),
    Row("kubernetes", "Inference", "scaling.min", "refused", "an endpoint without replicas would not answer", "use 1 or more", values=(0,)),
    Row(
        "kubernetes",
        "Model",
        "task",
        "refused",
        "this kind of problem cannot be trained yet",
        "use classification or regression",
        values=("timeSeries", "text", "vision"),
    ),
)


def deferral(made: AnyObject, target: str) -> str | None:
    """Why an object is recorded and not run on this target; None where it runs."""
    for row in TABLE:
        if row.verdict == "deferred" and row.kind == made.kind and row.target in (target, "any") and _says(row, made):
            return row.reason
    return None


def refusals(graph: Graph, environment: Environment, document: Document) -> list[Diagnostic]:
    """The fields of the environment and its objects that its target cannot honour, each at its place."""
    target = environment.spec.target.type
    found = list(_refused(environment, document, target))
    for node in graph.objects:
        if deferral(node.object, target) is None:
            found += _refused(node.object, node.document, target)
    return found


def _refused(made: AnyObject, document: Document, target: str) -> Iterator[Diagnostic]:
    for row in TABLE:
        if row.verdict == "refused" and row.kind == made.kind and row.target in (target, "any"):
            for path, value in _said(row, made):
                shown = f": {value}" if row.values else ""
                where = "" if row.target == "any" else f" on target {row.target}"
                message = f"'{'.'.join(path)}{shown}' cannot be used{where}: {row.reason}"
                yield document.problem(("spec", *path), "unsupported", message, row.hint, key=True)


def _says(row: Row, made: AnyObject) -> bool:
    """Whether the object says what the row is about."""
    return row.field == "" or any(_said(row, made))


def _said(row: Row, made: AnyObject) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each place below spec where the object says what the row is about, and the value there."""
    if any(value != wanted for field, wanted in row.where for _, value, _ in _values(made.spec, tuple(field.split(".")))):
        return
    for path, value, default in _values(made.spec, tuple(row.field.split("."))):
        if value in row.values if row.values else value != default and value not in row.allowed:
            yield path, value


def _values(value: Any, path: tuple[str, ...], default: Any = None) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """The values that a path leads to, each with its own path and its default; none where something above it is left out."""
    if not path:
        yield (), value, default
        return
    for name, below, usual in _below(value, path[0]):
        for rest, found, otherwise in _values(below, path[1:], usual):
            yield (name, *rest), found, otherwise


def _below(value: Any, part: str) -> Iterator[tuple[str, Any, Any]]:
    """What stands under one part of a path, by its own name; ``*`` is everything in a map."""
    if part == "*":
        yield from ((key, item, None) for key, item in value.items())
    elif isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            if (info.alias or name) == part:
                yield part, getattr(value, name), info.get_default(call_default_factory=True)
