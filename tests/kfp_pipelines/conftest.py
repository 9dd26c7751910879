"""Workspaces with pipelines of their own, and small made data."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

HOUR = np.timedelta64(3600, "s").astype("timedelta64[us]")

THRESHOLD = """
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Threshold(ClassifierMixin, BaseEstimator):
        def __init__(self, column=""):
            self.column = column

        def fit(self, frame, labels):
            self.classes_ = sorted(set(labels.tolist()))
            self.threshold_ = float(frame[self.column].median())
            return self

        def predict(self, frame):
            return (frame[self.column] > self.threshold_).to_numpy()
"""
"""A module with an estimator of one's own."""


@pytest.fixture(scope="session", autouse=True)
def compiled_imports(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[None]:
    """Each step is a process: where bytecode is not written, the same imports would be compiled dozens of times."""
    before = {name: os.environ.get(name) for name in ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")}
    os.environ["PYTHONPYCACHEPREFIX"] = str(request.config.cache.mkdir("bytecode"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    yield
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "kfp_pipelines").mkdir()
    return tmp_path


@pytest.fixture
def write_module(workspace: Path) -> Callable[[str, str], Path]:
    """Writes a module of the workspace's own."""

    def write(name: str, text: str) -> Path:
        path = workspace / "kfp_pipelines" / f"{name}.py"
        path.write_text(dedent(text))
        return path

    return write


@pytest.fixture
def importable(workspace: Path) -> Iterator[None]:
    """The workspace's modules, as its pipelines import them."""
    sys.path.insert(0, str(workspace / "kfp_pipelines"))
    yield
    sys.path.remove(str(workspace / "kfp_pipelines"))


def flights(rows: int = 600, seed: int = 0) -> pyarrow.Table:
    """One row an hour; ``late`` follows ``wind``, ``minutes`` is the number behind it; strings, nulls, a key."""
    random = np.random.default_rng(seed)
    wind, carrier = random.normal(size=rows), random.choice(["AA", "B6", "UA"], rows)
    minutes = 10 * wind + 5 * (carrier == "AA") + random.normal(size=rows)
    shown = np.where(random.random(rows) < 0.1, np.nan, wind)
    return pyarrow.table(
        {
            "flight": np.arange(rows),
            "when": pyarrow.array(np.datetime64("2024-01-01", "us") + np.arange(rows) * HOUR),
            "wind": pyarrow.array(shown, from_pandas=True),
            "carrier": pyarrow.array([None if place % 50 == 0 else value for place, value in enumerate(carrier.tolist())]),
            "weekday": random.integers(1, 8, rows),
            "late": minutes > 5,
            "minutes": minutes,
        }
    )


def write_flights(path: Path, rows: int = 600) -> None:
    parquet.write_table(flights(rows), path)
