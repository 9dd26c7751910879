"""A run's temporary folder: who dies by kill -9 cannot remove it, so the runner's watcher does."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.process import remove_tree

from .waiting import Told, wait_for_end, watched, with_variable

Write = Callable[[str, str], Path]
BUSY = """
    from kfp import dsl

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def write(mark: str) -> int:
        import os, time
        with open(mark, "w") as file:
            file.write("started")
        while True:
            folder = os.path.join(os.environ["TMPDIR"], "deep", "er")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, str(time.monotonic_ns())), "w"):
                time.sleep(0.001)
        return 1

    @dsl.pipeline(name="busy")
    def busy(mark: str):
        write(mark=mark)
"""
CALLER = (
    "import sys; from pathlib import Path; from mlx_pipelines.run import run_pipeline\n"
    "run_pipeline(Path(sys.argv[1]), {'mark': sys.argv[2]}, Path(sys.argv[3]), workspace=Path(sys.argv[3]).parent, report=lambda line: None)"
)


def test_kill_9_of_the_caller_leaves_no_folder_also_while_a_step_writes_there(workspace: Path, write_module: Write) -> None:
    write_module("mine", BUSY)
    mark = Told(workspace / "mark")
    ir = compile_pipeline("mine:busy", {"mark": str(mark.path)}, workspace, workspace / "ir").path
    # Not below the test's folder: a socket's path may have 108 characters.
    with tempfile.TemporaryDirectory() as temporary:
        caller = subprocess.Popen([sys.executable, "-c", CALLER, ir, mark.path, workspace / "run"], env={**os.environ, "TMPDIR": temporary})
        assert mark.read() == "started"
        processes = watched(with_variable("TMPDIR", temporary))
        assert [path.name.startswith("mlx-run-") for path in Path(temporary).iterdir()] == [True]
        os.kill(caller.pid, signal.SIGKILL)
        caller.wait()
        wait_for_end(processes)
        assert list(Path(temporary).iterdir()) == []


def test_a_tree_that_is_not_there_is_removed_already(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "none"))
    (tmp_path / "some" / "more").mkdir(parents=True)
    remove_tree(str(tmp_path / "some"))
    assert list(tmp_path.iterdir()) == []
