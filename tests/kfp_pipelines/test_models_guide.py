"""The guide's Models, taken from the guide: right in the flights template, and trained as they are printed, on a few rows made here."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import yaml

from mlx_cli.templates import flights as template
from mlx_pipelines.code import code_digest
from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.registry import client
from mlx_pipelines.train_version import train_version
from mlx_specs.base import plain
from mlx_specs.model import Model
from mlx_specs.model_resources import ModelVersionInputs, ModelVersionOutputs, fingerprint
from mlx_specs.resources import PreparedData
from mlx_stacks.check import check_workspace

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "models.md"
HOME = ".mlx/local"
ENTRY = "mlx_pipelines.tabular:pipeline"
ROWS = 1500


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flights template with every spec of the guide under its name."""
    workspace = tmp_path_factory.mktemp("guided")
    for name, text in {**template("flights"), **printed()}.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    parquet.write_table(made_flights(), workspace / "rows.parquet")
    return workspace


def printed() -> dict[str, str]:
    """The guide's files: a name, and the YAML below it."""
    return dict(re.findall(r"^`(specs/[\w-]+\.yaml)`:\n\n```yaml\n(.*?)^```$", GUIDE.read_text(), flags=re.M | re.S))


def made_flights() -> pyarrow.Table:
    """A year of flights of which the late ones leave in the evening, more of them with one carrier."""
    random = np.random.default_rng(5)
    hour, carrier = random.integers(5, 23, ROWS), random.choice(["AA", "B6", "UA"], ROWS)
    late = random.normal(size=ROWS) + (hour - 14) / 4 + (carrier == "B6") > 0.5
    when = np.datetime64("2013-01-01", "us") + np.arange(ROWS) * np.timedelta64(5, "h")
    return pyarrow.table(
        {
            "flight": np.arange(ROWS), "time_hour": when, "weekday": random.integers(1, 8, ROWS), "hour": hour, "sched_dep_time": hour * 100,
            "sched_arr_time": hour * 100 + 200, "carrier": carrier.tolist(), "origin": random.choice(["EWR", "JFK"], ROWS).tolist(),
            "dest": random.choice(["ATL", "SFO", "BOS"], ROWS).tolist(), "distance": random.uniform(200, 2500, ROWS), "late": late,
        }
    )  # fmt: skip


def trained(workspace: Path, name: str) -> ModelVersionOutputs:
    """As an apply would train it, on the rows made here."""
    spec = Model.model_validate(yaml.safe_load((workspace / "specs" / f"{name}.yaml").read_text())).spec
    ir = compile_pipeline(ENTRY, {}, workspace, workspace / HOME / "pipelines" / "tabular").path
    inputs = ModelVersionInputs(
        model=name, home=HOME, data=PreparedData(name=spec.data, digest="d" * 64, path="rows.parquet", event_time="time_hour"), entry=ENTRY,
        code_digest=code_digest(ENTRY, workspace, spec.algorithm), ir=ir.relative_to(workspace).as_posix(), split=plain(spec.split),
        success=[plain(item) for item in spec.success], search=plain(spec.search) if spec.search else {},
        candidates=[{"name": each.label, "algorithm": each.algorithm, "parameters": each.parameters} for each in spec.candidates],
        **spec.model_dump(include={"task", "target", "features", "algorithm", "parameters", "seed", "package"}),
    )  # fmt: skip
    return train_version(inputs.model_copy(update={"fingerprint": fingerprint(inputs)}), workspace, lambda line: None)


def runs_below(workspace: Path, outputs: ModelVersionOutputs) -> Iterator[Any]:
    mlflow = client(workspace, HOME)
    experiment = mlflow.get_run(outputs.run_id).info.experiment_id
    yield from mlflow.search_runs([experiment], f"tags.mlflow.parentRunId = '{outputs.run_id}'")


def test_every_spec_of_the_guide_is_right_in_the_flights_template(guided: Path) -> None:
    loaded, problems = check_workspace(guided, "local")
    assert problems == ()
    assert loaded.graph is not None
    assert {f"Model/{Path(name).stem}" for name in printed()} <= {node.id for node in loaded.graph.objects}


def test_the_guides_candidates_and_trials_are_all_in_mlflow_below_the_version(guided: Path) -> None:
    outputs = trained(guided, "delay-best")
    tried = ["boosting", "forest", "LogisticRegression", *(f"boosting #{number}" for number in range(1, 5))]
    runs = {str(run.info.run_name): run for run in runs_below(guided, outputs)}
    assert sorted(runs) == sorted(tried)
    board = json.loads((guided / HOME / "runs" / "delay-best" / outputs.fingerprint / "leaderboard.json").read_text())
    assert {attempt["name"]: attempt["value"] for attempt in board["attempts"]} == {name: run.data.metrics["validation_roc_auc"] for name, run in runs.items()}
    assert (outputs.engine, outputs.metrics["roc_auc"] > 0.7) == ("onnx", True)


def test_the_guides_network_trains_from_the_module_that_the_template_brings_along(guided: Path) -> None:
    pytest.importorskip("torch", reason="networks need the extra torch")
    outputs = trained(guided, "delay-network")
    curve = client(guided, HOME).get_metric_history(outputs.run_id, "validation_loss")
    assert [point.step for point in curve] == list(range(1, len(curve) + 1))
    assert (guided / HOME / "runs" / "delay-network" / outputs.fingerprint / "checkpoints" / "checkpoint.pt").is_file()
    assert (outputs.engine, outputs.metrics["roc_auc"] > 0.6) == ("onnx", True)
