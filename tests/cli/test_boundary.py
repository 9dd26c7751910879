"""Whatever a verb raises becomes words and an exit code."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlx_cli.boundary import StoppedHalfway, UsageError, guarded
from mlx_engine.host import EngineError, Interrupted, Locked, Protected, Refused, Result, UpdateFailed
from mlx_stacks.errors import Blocked, UserError

URN = "urn:pulumi:local::p::mlx:components:Dataset$mlx:index:PreparedDataset::"
CASES = {
    "usage": (UsageError("no such thing", hint="try that"), 1, "error: no such thing\n  hint: try that\n"),
    "user": (UserError("wrong", hint="right"), 1, "error: wrong\n  hint: right\n"),
    "engine": (EngineError("the disk is full"), 1, "error: the disk is full\n"),
    "failed": (UpdateFailed("1 resource failed", result=Result(()), failures={}), 1, "error: 1 resource failed\n"),
    "two resources": (
        UpdateFailed("a: no", result=Result(()), failures={URN + "a": "a is not valid: size: Dataset/a: no", URN + "b": "gone"}, hint="mend it"),
        1,
        "error: Dataset/a: no\nerror: Dataset/b: gone\n  hint: mend it\n",
    ),
    "hinted": (
        UpdateFailed("a: no", result=Result(()), failures={URN + "a": "Dataset/a: no\n  hint: look"}, hint="mend it"),
        1,
        "error: Dataset/a: no\n  hint: look\n",
    ),
    "locked": (Locked("somebody else is at it", hint="wait"), 3, "error: somebody else is at it\n  hint: wait\n"),
    "refused": (Refused("not in the plan", hint="plan again"), 3, "error: not in the plan\n  hint: plan again\n"),
    "protected": (
        Protected("data would be deleted, and is protected", hint="remove protect in the program first, and apply that"),
        3,
        "error: data would be deleted, and is protected\n"
        "  hint: first take protect out of the environment (or the Cluster) while the specs are as they were applied, and mlx apply; then change them\n",
    ),
    "several": (UserError("one\n  hint: a\ntwo", several=("one\n  hint: a", "two")), 1, "error: one\n  hint: a\nerror: two\n"),
    "blocked": (Blocked("protected", hint="two\nlines"), 3, "error: protected\n  hint: two\n  hint: lines\n"),
    "interrupted": (Interrupted("interrupted after 1 step", hint="run it again"), 130, "interrupted\n"),
    "halfway": (StoppedHalfway("interrupted: nothing was finished", hint="go on"), 130, "interrupted: nothing was finished\n  hint: go on\n"),
    "no permission": (
        PermissionError(errno.EACCES, "Permission denied", "/w/.mlx"),
        1,
        "error: cannot write /w/.mlx: Permission denied\n  hint: mlx writes below .mlx in the workspace; mlx doctor says what is in the way\n",
    ),
    "a full disk": (
        OSError(errno.ENOSPC, "No space left on device"),
        1,
        "error: cannot write a file: No space left on device\n  hint: make room on this disk, then run it again\n",
    ),
    "ctrl-c": (KeyboardInterrupt(), 130, "interrupted\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_is_told_with_its_hint_and_has_its_exit_code(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    error, code, text = CASES[case]

    def fail() -> None:
        raise error

    assert (guarded(fail), capsys.readouterr().err) == (code, text)


def test_a_bug_prints_one_line_and_the_path_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    script = "import sys; from mlx_cli.boundary import guarded; sys.exit(guarded(lambda: {}['surprise']))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    (log,) = (tmp_path / ".mlx" / "logs").iterdir()
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr == f"error: a bug in mlx: KeyError: 'surprise'\n  hint: please report it with {log}\n"
    assert "Traceback" in log.read_text()


def test_a_bug_is_told_where_no_log_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    (tmp_path / ".mlx").write_text("not a folder")
    script = "import sys; from mlx_cli.boundary import guarded; sys.exit(guarded(lambda: 1 / 0))"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert len(list(tmp_path.glob("mlx-*.log"))) == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    script = "import sys; from mlx_cli.boundary import guarded; sys.exit(guarded(lambda: [print('x' * 1000) for _ in range(1000)]))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait()) == (b"", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "ci cancels"])
def test_a_signal_ends_with_130_and_no_traceback(number: signal.Signals, tiny: Path) -> None:
    log = tiny / ".mlx" / "local" / "endpoints" / "tumour-api" / "server.log"
    log.parent.mkdir(parents=True)
    log.write_text("ready\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlx_cli", "logs", "tumour-api", "-f"], cwd=tiny, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (130, "interrupted\n")
