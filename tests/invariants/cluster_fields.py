"""Objects on a cluster that between them say something in every field, and second values that hold together.

The fields that are seen to work on a laptop keep the objects and values that they have there; what a cluster alone takes is added.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataset_fields import CASES
from deferred_fields import DEFERRED_KINDS, FOLLOWED
from feature_fields import FEATURE_CASES, store
from feature_trial import MODEL
from field_paths import REMOVED, FieldPath, changed_at, every_field, is_set, value_at
from model_fields import MODEL_CASES
from model_trial import ABOUT, BASE
from monitor_fields import WATCH
from second_values import second_value
from trials import made

DIGESTS = [f"sha256:{letter * 64}" for letter in "ab"]
POOL = {"intent": "gpu", "requirements": {"cpu": 64, "memory": "512Gi", "gpuCount": 8}, "max": 8}
CLUSTER = {
    "provider": "existing", "context": "test", "addOns": {"kueue": "verify"},
    "nodePools": {name: {**POOL, "labels": {"pool": name}} for name in ("gpu", "another")},
}  # fmt: skip
TARGET = {
    "type": "kubernetes", "cluster": "main", "namespace": "trial", "storage": "s3://lake/trial", "mlflow": "http://mlflow:5000",
    "pipelines": "http://pipelines:8888", "plugin": "mlx", "identity": {"eks.amazonaws.com/role-arn": "arn:first"},
    "images": {"registry": "registry.example.com/ml", "runtime": DIGESTS[0], "pipelines": DIGESTS[0], "spark": DIGESTS[0], "notebook": DIGESTS[0]},
}  # fmt: skip
ENVIRONMENT = {
    "kind": "Environment", "metadata": {"name": "local", **ABOUT},
    "spec": {
        "target": TARGET, "host": "embedded", "models": "follow", "state": {"backend": "s3://lake/state", "passphrase": {"env": "MLX_TRIAL_FIRST"}},
        "variables": {"owner": "us"}, "overrides": {}, "protect": False, "parallel": 4,
    },
}  # fmt: skip
FROM_FILE = changed_at(ENVIRONMENT, "Environment.spec.state.passphrase", {"file": "first.txt"})
ONE = {"cpu": 1, "memory": "1Gi", "gpu": 1, "pool": "gpu"}
SPREAD = {**ONE, "nodes": 2}
ROWS = {"source": {"type": "csv", "path": "rows.csv"}}
SQL = {"type": "sql", "url": "sqlite:///one.db", "query": "select id from rows"}
API = {"mode": "realtime", "model": "base@champion", "realtime": {"timeout": "2s", "maxRows": 10}, "scaling": {"min": 1, "max": 4}}
BATCH = {"mode": "batch", "model": "base@champion", "batch": {"input": "rows", "trigger": "apply", "columns": ["x"], "schedule": "0 1 * * *"}}
STORE = changed_at(store(), "FeatureStore.spec.materialization", REMOVED)
"""Without what is refused on a cluster."""
REDIS = {"type": "redis", "connection": {"name": "first", "key": "redis"}}
FILLED = changed_at(store(), "FeatureStore.spec.onlineStore", REDIS)
"""With an online store that pods share."""
SECRET = {"kubernetes": {"name": "first", "key": "url"}}
TIMED = made("Dataset", "timed", {**ROWS, "eventTime": "at", "keys": ["id"]})
JOINED = made("Model", "joined", {**MODEL, "data": "timed"})
"""It uses features."""
READER = made("Model", "reader", {**MODEL, "data": "timed", "features": ["w", "z"]})
"""What it reads is in either service."""
BATCH_OF_FEATURES = made("Inference", "trial", {**BATCH, "model": "reader@champion", "features": "all", "batch": {"input": "timed"}})
ENDPOINT_OF_FEATURES = made("Inference", "trial", {**API, "model": "reader@champion", "features": "all"})
READING = made("Dataset", "trial", {"inputs": ["rows"], "prepare": [{"sql": "select * from rows"}]})
FOLLOW = {"mode": "stream", "model": "base@champion", "stream": {**{name: value for name, value in FOLLOWED.items() if name != "watermark"}, "kafka": SECRET}}
STREAM_OF_FEATURES = made("Inference", "trial", {**FOLLOW, "model": "reader@champion", "features": "all", "stream": {**FOLLOWED, "kafka": SECRET}})
"""Its rows have an event time, so some of them may be late."""
BASES: tuple[dict[str, Any], ...] = (
    ENVIRONMENT,
    made("Dataset", "trial", {**ROWS, "eventTime": "made", "schedule": "0 1 * * *", "compute": {**ONE, "nodes": 1}}, **ABOUT),
    made("Dataset", "trial", {**ROWS, "schedule": "0 1 * * *", "compute": SPREAD}, **ABOUT),
    made("Dataset", "trial", {"source": {**SQL, "url": SECRET, "watermark": "select max(id) from rows"}}),
    changed_at(STORE, "FeatureStore.spec.onlineStore", REDIS),
    made("Pipeline", "quick", {"entry": "own_steps:quick", "steps": {"all-steps": {"compute": {**ONE, "nodes": 1}}}}, **ABOUT),
    made("Model", "trial", {**BASE, "retraining": {"schedule": "0 1 * * *"}, "retrainOn": [], "compute": {**ONE, "nodes": 1}}, **ABOUT),
    made("Model", "trial", {**BASE, "compute": SPREAD}, **ABOUT),
    made("Inference", "trial", {**API, "compute": {**ONE, "nodes": 1}}, **ABOUT),
    made("Inference", "trial", {**BATCH, "compute": {**ONE, "nodes": 1}}, **ABOUT),
    made("Inference", "trial", {**BATCH, "compute": SPREAD}, **ABOUT),
    made("Inference", "trial", {**FOLLOW, "compute": SPREAD}, **ABOUT),
    made("Monitor", "trial", {**WATCH, "schedule": "0 6 * * *", "compute": {**ONE, "nodes": 1}}, **ABOUT),
    made("Notebook", "trial", {"image": "jupyter:1", "compute": {**ONE, "nodes": 1}, "idleStop": "2h", "storage": "10Gi"}, **ABOUT),
)
"""Of a kind with several ways to run one for each: a field that works in one of them may be ignored in another."""
SECOND: Mapping[str, Any] = {
    "Environment.spec.target": {**TARGET, "namespace": "another"},
    "Environment.spec.target[kubernetes].cluster": "other",
    "Environment.spec.target[kubernetes].storage": "s3://lake/other",
    "Environment.spec.target[kubernetes].mlflow": "http://mlflow:5001",
    "Environment.spec.target[kubernetes].pipelines": "http://pipelines:8889",
    "Environment.spec.target[kubernetes].images.registry": "registry.example.com/other",
    **{f"Environment.spec.target[kubernetes].images.{name}": DIGESTS[1] for name in ("runtime", "pipelines", "spark", "notebook")},
    "Environment.spec.state.backend": "s3://lake/elsewhere",
    "Environment.spec.state.passphrase.env": "MLX_TRIAL_SECOND",
    "Environment.spec.state.passphrase.file": "second.txt",
    "Environment.spec.variables": {"owner": "them"},
    "Environment.spec.overrides": {"Dataset/rows": {"source": {"path": "more.csv"}}},
    "Dataset.spec.source[sql].watermark": "select count(*) from rows",
    "Pipeline.spec.entry": "own_steps:other",
    "Pipeline.spec.steps": {},
    "FeatureStore.spec.onlineStore.type": "postgres",
    "Model.spec.target": "total",
    "Model.spec.predictAt": "arrival",
    "Model.spec.pipeline": "tabular",
    "Model.spec.data": "fewer",
    "Model.spec.algorithm": "own_models:Witness",
    "Model.spec.retrainOn": ["dependencies"],
    "Inference.spec.model": "several@champion",
    "Inference.spec.batch.input": "fewer",
    "Inference.spec.batch.columns": ["z"],
    "Monitor.spec.inference": "other",
    "Monitor.spec.dataDrift.columns": ["z"],
}
"""Where a value made from the type alone would lead nowhere; all other second values are made from their type."""


@dataclass(frozen=True)
class ClusterCase:
    """One field of an object, with its first and with a second value."""

    path: str
    first: Mapping[str, Any]
    second: Mapping[str, Any]


def cluster_cases() -> Iterator[ClusterCase]:
    """Every field, in every way to run in which some object says something there."""
    for case in CASES:
        yield _case(case.path, made("Dataset", "trial", case.base), case.value, case.also)
    for case in FEATURE_CASES:
        for base in (store(), FILLED) if ".materialization" in case.path else (STORE,):
            for path, value in case.base.items():
                base = changed_at(base, path, value)
            yield _case(case.path, base, case.value, case.also)
    for case in MODEL_CASES:
        yield _case(case.path, case.base, case.value, _with(case.path))
    yield _case("Environment.spec.state.passphrase.file", FROM_FILE, "second.txt", {})
    yield _case("Model.spec.featureService", JOINED, "some", {})
    for reading in (BATCH_OF_FEATURES, ENDPOINT_OF_FEATURES, STREAM_OF_FEATURES):
        yield _case("Inference.spec.features", reading, "some", {})
    yield _case("Inference.spec.stream.watermark", STREAM_OF_FEATURES, "20m", {})
    for place in ("env", "file"):
        elsewhere = changed_at(STREAM_OF_FEATURES, "Inference.spec.stream.kafka", {place: "first"})
        yield _case(f"Inference.spec.stream.kafka.{place}", elsewhere, "second", {})
    yield _case("Dataset.spec.inputs", READING, ["fewer"], {"Dataset.spec.prepare": [{"sql": "select * from fewer"}]})
    on_a_laptop = {case.path for case in (*CASES, *FEATURE_CASES)} | {"Inference.spec.mode"}
    for field in walked():
        for base in BASES if field.path not in on_a_laptop else ():
            if base["kind"] == field.kind and is_set(base, field.path):
                yield _case(field.path, base, new_value(field, base), {})


def walked() -> Iterator[FieldPath]:
    """Of the kinds that run on a cluster those that have another value, but for what decides which objects there are."""
    for field in every_field():
        runs = field.kind not in (*DEFERRED_KINDS, "Cluster") or field.kind == "Notebook"
        decides_which = field.path.endswith((".metadata.name", ".environments"))
        if runs and len(field.values) != 1 and not decides_which:
            yield field


def new_value(field: FieldPath, base: Mapping[str, Any]) -> Any:
    """The second value."""
    known = SECOND.get(field.path, REMOVED)
    return second_value(field, value_at(base, field.path)) if known is REMOVED else known


def _with(path: str) -> Mapping[str, Any]:
    """What has to change with a field of a model or an inference."""
    return {
        "Model.spec.task": {"Model.spec.algorithm": "sklearn.linear_model.Ridge", "Model.spec.success": []},
        "Inference.spec.mode": {"Inference.spec.batch": {"input": "rows"}},
    }.get(path, {})


def _case(path: str, base: Mapping[str, Any], value: Any, also: Mapping[str, Any]) -> ClusterCase:
    second = changed_at(base, path, value)
    for other, new in also.items():
        second = changed_at(second, other, new)
    return ClusterCase(path, base, second)
