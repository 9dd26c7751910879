"""How long a preview without changes takes: the embedded host, the SDK's own mocks as the floor, the pulumi CLI where there is one.

    python benchmarks/engine/preview.py [COUNT ...]

Prints a table of seconds (the best of three in a warm process) and ratios. Bars: ten times as fast as the CLI at 50 resources,
three times at 1,000, linear.
"""

import asyncio
import logging
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "engine"), str(ROOT / "tests" / "engine")]

import pulumi  # noqa: E402
from file_program import File, Folder  # noqa: E402
from file_provider import FileProvider  # noqa: E402
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs  # noqa: E402

from mlx_engine.cli_host import cli_host  # noqa: E402
from mlx_engine.embedded import embedded_host  # noqa: E402
from mlx_engine.host import Event, Host, Options, Stack  # noqa: E402

ROUNDS = 3


def main(counts: list[int]) -> None:
    print(f"{'resources':>9} {'embedded':>9} {'mocks':>9} {'pulumi':>9} {'x mocks':>8} {'x faster':>8} {'ms each':>8}")
    for count in counts:
        embedded, mocks, cli = measure(count)
        ratio = f"{cli / embedded:8.1f}" if cli else f"{'-':>8}"
        seconds = f"{cli:9.2f}" if cli else f"{'-':>9}"
        print(f"{count:9} {embedded:9.2f} {mocks:9.2f} {seconds} {embedded / mocks:8.2f} {ratio} {embedded / count * 1000:8.2f}")


def measure(count: int) -> tuple[float, float, float | None]:
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack("bench", "dev", Path(folder), Path(folder) / "state")
        host = embedded_host(stack, Options(parallel=4), {"files": FileProvider})

        def program() -> None:
            declare(count, str(Path(folder) / "files"))

        host.up(program, ignore)
        embedded = best(lambda: unchanged(host, program))
        mocks = best(lambda: run_on_mocks(program))
        cli = best(lambda: unchanged(cli_host(stack, Options(parallel=4), [executable(folder)]), program)) if shutil.which("pulumi") else None
        return embedded, mocks, cli


def declare(count: int, folder: str) -> None:
    """Files under a component for every ten, each with three inputs, one of them the output of another."""
    first = File("first", folder=folder, content="x")
    for at in range(count - 1):
        if at % 10 == 0:
            parent = Folder(f"folder-{at}")
        File(f"file-{at}", folder=folder, content={"size": first.size, "text": "y" * 100}, opts=pulumi.ResourceOptions(parent=parent))


def unchanged(host: Host, program: Callable[[], None]) -> None:
    changes = host.preview(program, ignore).changes
    if changes:
        raise SystemExit(f"not a preview without changes: {changes[0]}")


class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return args.name, {**args.inputs, "size": 3}

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        return {}


def run_on_mocks(program: Callable[[], None]) -> None:
    """The SDK alone, on its own mocks, with the embedded host's way of waiting: nothing that runs this program is faster."""
    from mlx_engine.embedded import sdk

    asyncio.set_event_loop(asyncio.new_event_loop())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    pulumi.runtime.set_mocks(Mocks(), preview=True)
    pulumi.runtime.settings.ROOT.set(None)
    asyncio.get_event_loop().run_until_complete(sdk.drive(program))
    asyncio.get_event_loop().close()


def executable(folder: str) -> Path:
    script = Path(folder) / "pulumi-resource-files"
    lines = [f"#!{sys.executable}", "import sys", f"sys.path[:0] = {sys.path[:2]!r}"]
    lines += ["from file_provider import FileProvider", "from mlx_engine.serve import serve", "serve(FileProvider, 'files', '1.0.0')"]
    script.write_text("\n".join(lines) + "\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return Path(folder)


def best(work: Callable[[], None]) -> float:
    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(ROUNDS))


def ignore(_event: Event) -> None:
    """A benchmark does not watch."""


if __name__ == "__main__":
    os.environ.setdefault("PULUMI_CONFIG_PASSPHRASE", "")
    main([int(count) for count in sys.argv[1:]] or [50, 200, 1000])
