"""Steps are plain functions: called here as a data scientist's test would call them, without mlx and without a runner."""

import json
import pickle
from pathlib import Path

import pytest
from kfp import dsl

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.rows import read, write
from mlx_pipelines.steps.evaluate import evaluate
from mlx_pipelines.steps.ingest import ingest
from mlx_pipelines.steps.split import split
from mlx_pipelines.steps.train import train
from mlx_pipelines.steps.validate import validate

from .conftest import flights

FEATURES = json.dumps(["wind", "carrier", "weekday"])


@pytest.fixture
def rows(tmp_path: Path) -> dsl.Dataset:
    write(flights(300), tmp_path / "rows")
    return dsl.Dataset(uri=str(tmp_path / "rows"))


def test_ingest_keeps_all_columns(rows: dsl.Dataset, tmp_path: Path) -> None:
    out = dsl.Dataset(uri=str(tmp_path / "ingested"))
    ingest.python_func(data=rows.path, rows=out)
    assert read(out.path).equals(flights(300))
    assert out.metadata == {"rows": 300, "columns": ["flight", "when", "wind", "carrier", "weekday", "late", "minutes"]}


def test_validate_returns_the_rows_or_stops_the_line_with_all_that_is_wrong(rows: dsl.Dataset) -> None:
    asked = {"rows": rows, "features": FEATURES, "task": "classification", "event_time": "when", "split": '{"by": "time"}'}
    assert validate.python_func(target="late", **asked) == 300
    with pytest.raises(PipelineError, match=r"the data has no column 'lat' \(target\)"):
        validate.python_func(target="lat", **asked)


def test_split_writes_both_parts(rows: dsl.Dataset, tmp_path: Path) -> None:
    training, held_out = dsl.Dataset(uri=str(tmp_path / "training")), dsl.Dataset(uri=str(tmp_path / "held_out"))
    split.python_func(rows=rows, how='{"by": "time", "test": 0.25}', event_time="when", seed=0, training=training, held_out=held_out)
    assert (read(training.path)["flight"].to_pylist(), read(held_out.path)["flight"].to_pylist()) == (list(range(225)), list(range(225, 300)))


def test_train_is_repeatable_and_evaluate_measures_and_draws_what_the_criteria_ask(rows: dsl.Dataset, tmp_path: Path) -> None:
    asked = {"rows": rows, "target": "late", "features": FEATURES, "task": "classification", "algorithm": "sklearn.ensemble.RandomForestClassifier"}
    models = [dsl.Model(uri=str(tmp_path / name)) for name in ("first", "second")]
    for model in models:
        train.python_func(parameters='{"n_estimators": 5}', seed=3, estimator=model, **asked)
    assert Path(models[0].path).read_bytes() == Path(models[1].path).read_bytes()
    assert len(pickle.loads(Path(models[0].path).read_bytes())["model"].estimators_) == 5
    metrics, report = dsl.Metrics(uri=""), dsl.Artifact(uri=str(tmp_path / "report"))
    evaluate.python_func(
        held_out=rows, estimator=models[0], target="late", features=FEATURES, task="classification", success='[{"metric": "brier", "atMost": 1}]', seed=3,
        metrics=metrics, report=report,
    )  # fmt: skip
    assert json.loads((tmp_path / "report" / "metrics.json").read_text()) == metrics.metadata
    assert metrics.metadata["roc_auc"] > 0.9
    assert next(iter(json.loads((tmp_path / "report" / "importance.json").read_text()))) == "wind"
    assert sorted(path.name for path in (tmp_path / "report" / "plots").iterdir()) == ["calibration.png", "confusion.png", "importance.png"]
