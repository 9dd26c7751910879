"""One workspace and one Feast process for all tests of features, because Feast takes seconds to import; each test has its own environment."""

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made import FLIGHT_TYPES, Workspace, flight_rows, make_workspace

from mlx_features.client import FeastWorker
from mlx_specs.resources import PreparedData

NUMBERS = count()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The prepared datasets."""
    return make_workspace(tmp_path_factory.mktemp("features") / "workspace")


@pytest.fixture(scope="session")
def feast(made: Workspace) -> Iterator[FeastWorker]:
    """The process."""
    with FeastWorker(made.folder) as worker:
        yield worker


@pytest.fixture
def workspace(made: Workspace) -> Workspace:
    """An environment in which nothing is applied."""
    return replace(made, home=f".mlx/local{next(NUMBERS)}")


@pytest.fixture(scope="module")
def served(made: Workspace, feast: FeastWorker) -> Workspace:
    """An environment with everything applied and materialised, for tests that only read."""
    ready = replace(made, home=f".mlx/local{next(NUMBERS)}")
    feast.apply(ready.registry(), print)
    feast.materialize(ready.online(), None, None, print)
    return ready


@pytest.fixture(scope="session")
def flights(made: Workspace) -> Callable[[int], PreparedData]:
    """Rows to be joined."""

    def write(rows: int) -> PreparedData:
        return made.write("flights", FLIGHT_TYPES, flight_rows(random.Random(rows), rows))

    return write
