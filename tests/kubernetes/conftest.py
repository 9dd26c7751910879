"""One control plane for the session; each test has namespaces of its own."""

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
from control_plane import ControlPlane, binaries, control_plane

CRDS = "MLX_TEST_CRDS"
"""The variable that names a folder with the definitions of the projects whose objects are written."""


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    def tell(message: str) -> None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            sys.stderr.write(f"\n{message}\n")

    try:
        programs = binaries(tell)
    except NoTool as missing:
        pytest.skip(str(missing))
    with control_plane(tmp_path_factory.mktemp("cluster"), programs, {"narrow": []}) as running:
        yield running


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture(scope="session")
def definitions(plane: ControlPlane) -> None:
    """The projects' real definitions are in the cluster."""
    folder = os.environ.get(CRDS, "")
    if not folder:
        pytest.skip(f"{CRDS} names no folder with the projects' definitions")
    plane.define(Path(folder))


@pytest.fixture(params=["embedded", "cli"])
def stack(plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> ClusterStack:
    """The same tests on both hosts."""
    if request.param == "cli" and shutil.which("pulumi") is None:
        pytest.skip("needs the pulumi CLI on PATH")
    return ClusterStack(tmp_path, plane.kubeconfig(), by_cli=request.param == "cli")
