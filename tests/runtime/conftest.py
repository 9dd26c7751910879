"""Packaged models and servers, shared by the tests of the runtime."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from built_tools import NoTool, resolved
from kafka_broker import KafkaBroker, kafka_broker

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "engine" / "remote_state"))  # servers of buckets, and the network before them

from made_features import MadeStore, made_store
from made_flights import Packaged, boosted_regression, boosting, flights, forest, late, logistic, server_inputs
from made_storage import Buckets, buckets_in

from mlx_features.client import FeastWorker
from mlx_runtime.columns import to_frame
from mlx_runtime.package import package
from mlx_runtime.server import lifecycle
from mlx_specs.resources import Version


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for a user's workspace."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "kfp_pipelines").mkdir()
    return folder


@pytest.fixture(scope="session")
def pack(workspace: Path) -> Callable[..., Packaged]:
    """Fits an estimator on made flights and packages it under ``workspace``."""

    def packed(name: str, estimator: Any, data: pyarrow.Table, labels: np.ndarray, task: str = "classification", format: Any = "auto") -> Packaged:
        estimator.fit(to_frame(data), labels)
        folder = workspace / "models" / name
        digest = package(
            estimator=estimator, data=data, labels=labels.tolist(), model="delay", fingerprint=name, task=task, target="late", format=format,
            folder=folder, metrics={"accuracy": 0.5},
        )  # fmt: skip
        return Packaged(estimator, data, labels, folder, digest)

    return packed


@pytest.fixture(scope="session")
def models(pack: Callable[..., Packaged]) -> Callable[[str], Packaged]:
    """The named models that several tests use, each made once."""

    @cache
    def named(name: str) -> Packaged:
        data = flights()
        if name == "regression":
            return pack(name, boosted_regression(), data, data["hour"].to_numpy() * 10.0 + late(data), "regression")
        labels = late(data)
        makers = {"boosting": boosting, "shallow": lambda: boosting(max_depth=2), "forest": forest, "logistic": logistic}
        return pack(name, makers[name](), data, labels)

    return named


@pytest.fixture(scope="session")
def store(workspace: Path) -> Iterator[MadeStore]:
    """A feature store that Feast itself made and filled."""
    with FeastWorker(workspace) as worker:
        yield made_store(workspace, worker)


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buckets]:
    """``buckets("s3")`` is a prefix of a bucket on a real server."""
    yield from buckets_in(tmp_path_factory.mktemp("buckets"))


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker for a module's tests, each with topics of its own."""
    with ExitStack() as opened:
        try:
            broker = opened.enter_context(kafka_broker(tmp_path_factory.mktemp("kafka"), print))
        except NoTool as missing:
            pytest.skip(str(missing))
        yield broker


@pytest.fixture(scope="session")
def connector() -> Path:
    """The folder of the jars that Spark reads Kafka with."""
    try:
        return resolved("spark-kafka", print)
    except NoTool as missing:
        pytest.skip(str(missing))


Serve = Callable[..., tuple[Path, lifecycle.Running]]


@pytest.fixture(scope="module")
def serve(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Brings a server up for a module's tests; all of them are stopped at its end."""
    folders = list[Path]()

    def serving(name: str, version: Version | None = None, **settings: Any) -> tuple[Path, lifecycle.Running]:
        folder = tmp_path_factory.mktemp("endpoint")
        folders.append(folder)
        return folder, lifecycle.ensure(folder, server_inputs(name, version, **settings), workspace)

    yield serving
    for folder in folders:
        lifecycle.stop(folder)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Path]:
    """The folder of an endpoint that a test starts by itself; whatever serves it then is ended."""
    yield tmp_path / "endpoint"
    lifecycle.stop(tmp_path / "endpoint")
