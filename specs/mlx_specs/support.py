"""What a target cannot do yet: one table, that shrinks to nothing.

``deferred``: a kind or a mode that is declared, planned and recorded, and not run. ``refused``: a field that is an error when
it is set, because it would be ignored. What stands in no row works.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from mlx_specs.diagnostics import Diagnostic
from mlx_specs.documents import Document, Path
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
    """A path below ``spec`` such as ``compute.gpu``; '' is the whole kind."""
    verdict: Literal["deferred", "refused"]
    reason: str
    hint: str = ""
    values: tuple[Any, ...] = ()
    """The values that it is about; empty: any value but the default."""
    allowed: tuple[Any, ...] = ()
    """Values that are as good as leaving it out."""


ON_A_CLUSTER = "leave it out here; an override sets it in an environment with a cluster"
TABLE: tuple[Row, ...] = (
    Row("any", "Monitor", "", "deferred", "monitors do not run yet"),
    Row("local", "Notebook", "", "deferred", "notebooks do not start yet"),
    Row("any", "Inference", "mode", "deferred", "streams do not run yet", values=("stream",)),
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
    Row("kubernetes", "Environment", "models", "refused", "releases are not promoted to a cluster yet", "use models: follow", values=("pinned",)),
    Row("kubernetes", "Environment", "state.passphrase.kubernetes", "refused", "it is read before the cluster is", "use {env: NAME} or {file: PATH}"),
    Row("kubernetes", "Dataset", "source.url.env", "refused", "no variable of this machine reaches a pod", "use {kubernetes: {name: SECRET, key: KEY}}"),
    Row("kubernetes", "Dataset", "source.url.file", "refused", "no file of this machine reaches a pod", "use {kubernetes: {name: SECRET, key: KEY}}"),
    Row("kubernetes", "FeatureStore", "materialization.schedule", "refused", "features are not materialised on a cluster yet", "take it out here"),
    Row("kubernetes", "FeatureStore", "offlineStore.type", "refused", "features are joined with DuckDB yet", "use duckdb", values=("spark",)),
    Row("kubernetes", "Inference", "realtime.port", "refused", "an endpoint has an address of its own there", "leave it out here"),
    Row("kubernetes", "Inference", "features", "refused", "features are not looked up on a cluster yet", "null in the overrides: requests carry all columns"),
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
        if row.verdict == "refused" and row.kind == made.kind and row.target in (target, "any") and _says(row, made):
            path: Path = ("spec", *row.field.split("."))
            value = f": {_value(made.spec, row.field)[0]}" if row.values else ""
            where = "" if row.target == "any" else f" on target {row.target}"
            yield document.problem(path, "unsupported", f"'{row.field}{value}' cannot be used{where}: {row.reason}", row.hint, key=True)


def _says(row: Row, made: AnyObject) -> bool:
    """Whether the object says what the row is about."""
    if row.field == "":
        return True
    value, default = _value(made.spec, row.field)
    return value in row.values if row.values else value != default and value not in row.allowed


def _value(spec: BaseModel, field: str) -> tuple[Any, Any]:
    """The value at a path below the spec and its default; both None where something above it is left out."""
    value: Any = spec
    default: Any = None
    for part in field.split("."):
        described = {(info.alias or name): (name, info) for name, info in type(value).model_fields.items()} if isinstance(value, BaseModel) else {}
        if part not in described:
            return None, None
        name, info = described[part]
        value, default = getattr(value, name), info.get_default(call_default_factory=True)
    return value, default
