"""Each file of tests has a control plane and a registry of its own: what another file leaves there, in whatever order, is not in its way."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from built_tools import NoTool
from cluster_stacks import ClusterStack
from control_plane import Binaries, ControlPlane, binaries, control_plane
from controllers import controllers
from flights_on_cluster import OnCluster, add_pools, write_workspace
from kfp_stand_in import pipelines_api
from mlflow_server import mlflow_server

sys.path.append(str(Path(__file__).parents[1] / "engine/remote_state"))

from servers import Server, serve

CRDS = "MLX_TEST_CRDS"
"""The variable that names a folder with the definitions of the projects whose objects are written."""


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Binaries:
    """Kubernetes' programs; they are built where this machine has none yet."""

    def tell(message: str) -> None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            sys.stderr.write(f"\n{message}\n")

    try:
        return binaries(tell)
    except NoTool as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, programs: Binaries) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("cluster"), programs, {"narrow": []}) as running:
        yield running


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture(scope="module")
def definitions(plane: ControlPlane, published: Path) -> None:
    """The projects' real definitions are in the cluster."""
    plane.define(published)


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with the definitions that the projects published."""
    folder = os.environ.get(CRDS, "")
    if not folder:
        pytest.skip(f"{CRDS} names no folder with the projects' definitions")
    return Path(folder)


@pytest.fixture(params=["embedded", "cli"])
def stack(plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> ClusterStack:
    """The same tests on both hosts."""
    if request.param == "cli" and shutil.which("pulumi") is None:
        pytest.skip("needs the pulumi CLI on PATH")
    return ClusterStack(tmp_path, plane.kubeconfig(), by_cli=request.param == "cli")


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real MLflow server: the registry of environments on the cluster."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="module")
def flights(programs: Binaries, published: Path, mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnCluster]:
    """The reference workspace on a cluster of its own, whose stack is applied; its environments are not."""
    with control_plane(tmp_path_factory.mktemp("flights-cluster"), programs, {"narrow": []}) as plane:
        plane.define(published)
        add_pools(plane)
        with controllers(plane) as running, pipelines_api(plane) as pipelines:
            on_cluster = OnCluster(write_workspace(tmp_path_factory.mktemp("flights"), mlflow, pipelines.url), plane, pipelines)
            on_cluster.mlx("apply", "--cluster", "main", "--yes")
            yield on_cluster
            assert running.failed == []


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        with serve("s3", tmp_path_factory.mktemp("bucket"), print) as server:
            yield server
    except NoTool as missing:
        pytest.skip(str(missing))
