"""One workspace with a base and variants of pipelines, models and inferences, applied once: its data, its code and its objects."""

import random
import textwrap
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from candidate_fields import CHOOSING, SLOW
from own_code import ESTIMATORS, STEPS
from trials import Trial, made

ROWS, FEWER = 240, 100
DAY = datetime(2024, 1, 1)
TRAIN_FROM = "2024-07-19"
"""The 200th day."""
ABOUT = {"description": "A trial.", "owner": "trial team", "labels": {"tier": "1"}}
OTHER_ABOUT = {"description": "Another trial.", "owner": "other team", "labels": {"tier": "2", "cost": "ml"}}

COLUMNS = {name: {"availableAt": moment} for name, moment in (("id", "booking"), ("x", "booking"), ("z", "booking"), ("made", "booking"), ("noted", "booking"))}
LATER = {name: {"availableAt": "arrival"} for name in ("y", "total", "late")}
DATA = {"source": {"type": "csv", "path": "rows.csv"}, "keys": ["id"], "eventTime": "made", "timeline": ["booking", "arrival"], "columns": COLUMNS | LATER}
BASE = {
    "task": "regression", "pipeline": "quick", "data": "rows", "target": "y", "features": ["x", "z"], "predictAt": "booking",
    "split": {"by": "random", "test": 0.25}, "algorithm": "sklearn.linear_model.Ridge", "parameters": {"alpha": 1.0}, "seed": 3, "package": "native",
}  # fmt: skip
CLASSES = {
    "task": "classification", "data": "rows", "target": "late", "features": ["z"], "split": {"by": "random", "test": 0.4}, "seed": 5, "package": "native",
    "algorithm": "sklearn.linear_model.LogisticRegression", "parameters": {"C": 0.5}, "success": [{"metric": "roc_auc", "atLeast": 0.5}],
}  # fmt: skip
SEVERAL = {
    **BASE, "pipeline": "noted", "target": "total", "features": ["x"], "algorithm": "own_models:Witness", "parameters": {"alpha": 100.0}, "seed": 4,
    "compute": {"cpu": 2, "memory": "3Gi", "gpu": 0},
}  # fmt: skip
"""Fields whose observables cannot be taken for one another, in one training: each of them is seen with its exact value."""
MODELS: Mapping[str, dict[str, Any]] = {
    "base": BASE,
    "several": SEVERAL,
    "other-data": {**BASE, "pipeline": "other", "data": "fewer", "split": {"by": "random", "test": 0.5}},
    "by-time": {**BASE, "split": {"by": "time", "test": 0.25}},
    "from-day": {**BASE, "split": {"by": "time", "testFrom": TRAIN_FROM}},
    "noted-time": {**BASE, "data": "rows-noted", "split": {"by": "time", "test": 0.25}},
    "classes": {**CLASSES, "pipeline": "quick"},
    "reference": {**CLASSES, "pipeline": "tabular", "success": [{"metric": "brier", "atMost": 0.9}]},
    "rival": {**BASE, "success": [{"metric": "rmse", "tolerance": 0.01}]},
    **CHOOSING,
}
SECOND: Mapping[str, dict[str, Any]] = {
    "base": {"package": "onnx"},
    "from-day": {"package": "auto", "success": [{"metric": "r2", "atLeast": 2.0}]},
    "by-time": {"success": [{"metric": "rmse", "atMost": 0.001}]},
    "noted-time": {"success": [{"metric": "rmse", "atLeast": 0.5}]},
    "rival": {"parameters": {"alpha": 1e6}},
}
"""What the second apply changes; only ``rival`` trains again."""
THIRD: Mapping[str, dict[str, Any]] = {
    "from-day": {"success": [{"metric": "r2", "atLeast": 0.5}]},
    "by-time": {"success": [{"metric": "rmse", "atMost": 100.0}]},
    "noted-time": {"success": [{"metric": "r2", "atLeast": 0.5}]},
    "rival": {"success": [{"metric": "rmse", "tolerance": 1000.0}]},
}
API = {"mode": "realtime", "model": "base@champion", "realtime": {"timeout": "2s"}}


def write_model_trial(trial: Trial, port: int) -> None:
    """Data and code."""
    trial.file("rows.csv", _csv(ROWS)).file("fewer.csv", _csv(FEWER))
    trial.file("kfp_pipelines/own_steps.py", textwrap.dedent(STEPS)).file("kfp_pipelines/own_models.py", own_models())
    trial.write(all_objects(port), {"parallel": 2})


def own_models() -> str:
    """The estimators of the workspace's own."""
    return textwrap.dedent(ESTIMATORS) + textwrap.dedent(SLOW)


def all_objects(port: int, *changes: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Base and variants; with ``changes`` of models, whoever was ABOUT is OTHER_ABOUT from then on."""
    models = {name: {key: value for change in ({name: spec}, *changes) for key, value in change.get(name, {}).items()} for name, spec in MODELS.items()}
    objects = [*data_objects(), *pipelines(), *(made("Model", name, spec, **ABOUT) for name, spec in models.items()), *inferences(port)]
    return [{**one, "metadata": {**one["metadata"], **OTHER_ABOUT}} if one["metadata"].get("owner") and changes else one for one in objects]


def data_objects() -> list[dict[str, Any]]:
    fewer = DATA | {"source": {"type": "csv", "path": "fewer.csv"}, "keys": ["id", "x"]}
    return [made("Dataset", "rows", DATA), made("Dataset", "fewer", fewer), made("Dataset", "rows-noted", DATA | {"eventTime": "noted"})]


def pipelines() -> list[dict[str, Any]]:
    return [
        made("Pipeline", "quick", {"entry": "own_steps:quick"}, **ABOUT),
        made("Pipeline", "noted", {"entry": "own_steps:quick", "arguments": {"note": "second"}}, **OTHER_ABOUT),
        made("Pipeline", "other", {"entry": "own_steps:other"}),
        made("Pipeline", "tabular", {"entry": "mlx_pipelines.tabular:pipeline"}),
    ]


def inferences(port: int) -> list[dict[str, Any]]:
    other = {"model": "several@champion", "realtime": {"port": port, "timeout": "1s", "maxRows": 2}, "compute": {"cpu": 2, "memory": "3Gi"}}
    batch = {"mode": "batch", "model": "base@champion"}
    return [
        made("Inference", "api", API, **ABOUT),
        made("Inference", "api-other", API | other, **OTHER_ABOUT),
        made("Inference", "all", {**batch, "batch": {"input": "rows"}}, **ABOUT),
        made("Inference", "all-other", {**batch, "batch": {"input": "fewer", "columns": ["z"]}}, **OTHER_ABOUT),
        made("Inference", "all-manual", {**batch, "batch": {"input": "rows", "trigger": "manual"}}),
        made("Inference", "witness", {**batch, "model": "several@champion", "batch": {"input": "rows"}}),
        made("Inference", "witness-other", {**batch, "model": "several@champion", "batch": {"input": "rows"}, "compute": {"cpu": 2, "memory": "2Gi"}}),
    ]


def _csv(rows: int) -> str:
    """Reproducible rows: ``made`` runs with id, ``noted`` against it."""
    chance = random.Random(7)
    lines = ["id,x,z,y,total,late,made,noted"]
    for id in range(rows):
        x, z = chance.gauss(0, 1), chance.gauss(0, 1)
        y = 3 * x - 2 * z + chance.gauss(0, 0.1)
        made, noted = (DAY + timedelta(days=day) for day in (id, rows - id))
        lines.append(f"{id},{x:.6f},{z:.6f},{y:.6f},{y + 10:.6f},{'true' if z > 0 else 'false'},{made.isoformat()},{noted.isoformat()}")
    return "\n".join(lines) + "\n"
