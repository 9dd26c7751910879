"""Each kind of bucket with a real server behind it, and workspaces whose state stands there."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # after the folder above, whose conftest other tests import by its name

from buckets import KINDS, Bucket, in_bucket  # noqa: E402
from built_tools import NoTool  # noqa: E402
from conftest import Workspace  # noqa: E402
from proxy import proxy_to  # noqa: E402
from servers import Server, serve  # noqa: E402

Servers = Callable[[str], Server]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Servers]:
    """``servers("s3")`` is started when it is first asked for."""
    running: dict[str, Any] = {}

    def tell(message: str) -> None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            sys.stderr.write(f"\n{message}\n")

    def started(kind: str) -> Server:
        if kind not in running:
            context = serve(kind, tmp_path_factory.mktemp(kind), tell)
            try:
                running[kind] = (context, context.__enter__())
            except NoTool as missing:
                pytest.skip(str(missing))
            os.environ.update(running[kind][1].variables())
        return running[kind][1]

    yield started
    for context, _ in running.values():
        context.__exit__(None, None, None)


@pytest.fixture(params=KINDS)
def bucket(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Bucket]:
    yield from _bucket(servers(request.param))


@pytest.fixture
def s3(servers: Servers) -> Iterator[Bucket]:
    yield from _bucket(servers("s3"))


def _bucket(server: Server) -> Iterator[Bucket]:
    with proxy_to(server.port) as proxy:
        yield Bucket(server, f"test-{uuid.uuid4().hex[:8]}", proxy)


@pytest.fixture
def remote(workspace: Workspace, bucket: Bucket) -> Workspace:
    """A workspace with its state in the bucket."""
    return in_bucket(workspace, bucket.url)


@pytest.fixture
def google(servers: Servers) -> Iterator[Bucket]:
    yield from _bucket(servers("gs"))
