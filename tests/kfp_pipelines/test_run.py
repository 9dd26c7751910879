"""KFP's local runner for real: only it shows what survives a failure or a kill."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.errors import PipelineError, StepFailed
from mlx_pipelines.run import run_pipeline

from .waiting import Told, wait_for_end, watched

Write = Callable[[str, str], Path]

STEPS = """
    from kfp import dsl

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def count(n: int, rows: dsl.Output[dsl.Dataset]) -> int:
        import logging
        from lengths import longer
        with open(rows.path, "w") as file:
            file.write("row")
        print(f"counted {n}\\n\\n    of many")
        logging.warning("that is few")
        return longer(n)

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def fail(rows: dsl.Input[dsl.Dataset]) -> int:
        try:
            return {}["wind"]
        except KeyError as error:
            raise ValueError("no column 'wind':\\n  it was removed") from error

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def forget(rows: dsl.Output[dsl.Dataset]) -> int:
        return 1

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def hoard(how: str) -> int:
        import os, signal
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return len(bytearray(2_000_000_000))

    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def wait(mark: str) -> int:
        import os, time
        with open(mark, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(600)
        return 1

    @dsl.pipeline(name="counting")
    def counting(n: int) -> int:
        return count(n=count(n=n).outputs["Output"]).outputs["Output"]

    @dsl.pipeline(name="failing")
    def failing():
        fail(rows=count(n=1).outputs["rows"])

    @dsl.pipeline(name="forgetting")
    def forgetting():
        forget()

    @dsl.pipeline(name="hoarding")
    def hoarding(how: str):
        hoard(how=how)

    @dsl.pipeline(name="waiting")
    def waiting(mark: str):
        wait(mark=mark)
"""


@pytest.fixture
def mine(workspace: Path, write_module: Write) -> Path:
    write_module("mine", STEPS)
    write_module("lengths", "def longer(n):\n    return n + 1\n")
    return workspace


def compiled(workspace: Path, function: str, **arguments: object) -> Path:
    return compile_pipeline(f"mine:{function}", arguments, workspace, workspace / "ir").path


def test_a_run_reports_its_steps_and_leaves_a_manifest(mine: Path) -> None:
    lines: list[str] = []
    done = run_pipeline(compiled(mine, "counting", n=3), {"n": 3}, mine / "run", workspace=mine, report=lines.append)
    assert [line.split(" done")[0] for line in lines] == ["step 1/2 count ...", "step count", "step 2/2 count-2 ...", "step count-2"]
    assert done.outputs == {"Output": 5}
    manifest = json.loads((mine / "run" / "manifest.json").read_text())
    assert [step["name"] for step in manifest["steps"]] == ["count", "count-2"]
    assert (manifest["pipeline"], manifest["arguments"], manifest["outputs"]) == ("counting", {"n": 3}, {"Output": 5})
    assert sorted(path.name for path in (mine / "run").iterdir()) == ["kfp.log", "manifest.json", "run.log", "steps"]


def test_the_log_holds_what_the_steps_printed_and_says_where_all_of_it_is(mine: Path) -> None:
    run_pipeline(compiled(mine, "counting", n=3), {"n": 3}, mine / "run", workspace=mine, report=lambda line: None)
    log = re.sub(r"\d+\.\d s", "0.0 s", (mine / "run" / "run.log").read_text())
    assert log == (
        "step count\n    counted 3\n\n        of many\n    WARNING: that is few\nstep count done in 0.0 s\n"
        "step count-2\n    counted 4\n\n        of many\n    WARNING: that is few\nstep count-2 done in 0.0 s\n"
        "all that was printed, KFP's own lines, too: run/kfp.log\n"
    )
    assert "Got executor_input" in (mine / "run" / "kfp.log").read_text()


def test_a_failed_step_gives_its_own_error_without_colours_and_the_log_is_kept(mine: Path) -> None:
    log = mine / "run" / "run.log"
    with pytest.raises(StepFailed) as caught:
        run_pipeline(compiled(mine, "failing"), {}, mine / "run", workspace=mine, report=lambda line: None)
    assert str(caught.value) == "step 'fail' failed: ValueError: no column 'wind':\n  it was removed"
    assert (caught.value.step, caught.value.log, caught.value.hint) == ("fail", log, f"what its steps printed is in {log}")
    assert "    Traceback (most recent call last):" in log.read_text().splitlines()
    assert log.read_text().splitlines()[-1] == "all that was printed, KFP's own lines, too: run/kfp.log"
    assert "\x1b" not in log.read_text() + (mine / "run" / "kfp.log").read_text()
    assert not (mine / "run" / "manifest.json").exists()


def test_a_step_that_writes_nothing_to_an_output_has_failed(mine: Path) -> None:
    with pytest.raises(StepFailed) as caught:
        run_pipeline(compiled(mine, "forgetting"), {}, mine / "run", workspace=mine, report=lambda line: None)
    assert (str(caught.value), caught.value.hint) == ("step 'forget' failed: it wrote nothing to its output 'rows'", "write a file or a folder to rows.path")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("allocates", "step 'hoard' failed: out of memory; the limit is 1Gi"),
        ("killed", "step 'hoard' failed: it ended without a Python error; most often memory ran out and it was killed; the limit is 1Gi"),
    ],
)
def test_running_out_of_memory_has_its_own_sentence(mine: Path, how: str, message: str) -> None:
    with pytest.raises(StepFailed) as caught:
        run_pipeline(compiled(mine, "hoarding", how=how), {"how": how}, mine / "run", workspace=mine, memory="1Gi", report=lambda line: None)
    assert str(caught.value) == message
    assert caught.value.hint.startswith("raise compute.memory")


def test_an_interrupted_run_leaves_no_process(mine: Path) -> None:
    mark, steps = Told(mine / "pid"), list[int]()

    def interrupt(line: str) -> None:
        steps.extend(watched([int(mark.read())]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(compiled(mine, "waiting", mark=str(mark.path)), {"mark": str(mark.path)}, mine / "run", workspace=mine, report=interrupt)
    assert len(steps) == 1
    wait_for_end(steps)


def test_kill_9_of_the_caller_leaves_no_process(mine: Path) -> None:
    mark = Told(mine / "pid")
    program = (
        "import sys; from pathlib import Path; from mlx_pipelines.run import run_pipeline\n"
        "run_pipeline(Path(sys.argv[1]), {'mark': sys.argv[2]}, Path(sys.argv[3]), workspace=Path(sys.argv[4]), report=lambda line: None)"
    )
    caller = subprocess.Popen([sys.executable, "-c", program, compiled(mine, "waiting", mark=str(mark.path)), mark.path, mine / "run", mine])
    step = watched([int(mark.read())])
    os.kill(caller.pid, signal.SIGKILL)
    caller.wait()
    wait_for_end(step)


def test_a_run_with_a_missing_argument_says_so(mine: Path) -> None:
    with pytest.raises(PipelineError, match="the run stopped: TypeError: counting"):
        run_pipeline(compiled(mine, "counting", n=3), {}, mine / "run", workspace=mine, report=lambda line: None)
