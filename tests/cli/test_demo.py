"""The demo edits a spec to show a plan; whoever stops it meanwhile, the spec is put back and the verb that runs ends in good order."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = "model: a\n"
EDITING = """
import signal, subprocess, sys
from pathlib import Path
from mlx_cli import demo

VERB = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); print('running', flush=True); signal.pause()"
signal.signal(signal.SIGTERM, demo.terminate)
with demo.edited(Path(sys.argv[1]), "a", "b"):
    verb = subprocess.Popen([sys.executable, "-c", VERB])
    try:
        demo.wait_for(verb)
    finally:
        print("verb ended with", verb.returncode, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["make or ci ends it", "ctrl-c"])
def test_a_demo_that_is_stopped_puts_the_spec_back(number: signal.Signals, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    command = [sys.executable, "-c", EDITING, str(spec)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if line == "running\n")
        assert spec.read_text() == "model: b\n"
        (verb,) = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
        demo.send_signal(number)
        if number == signal.SIGINT:  # a terminal sends it to the verb as well
            subprocess.run(["kill", "-TERM", verb], check=True)
        assert demo.stdout.read() == "verb ended with 3\n"
    assert (spec.read_text(), demo.returncode != 0) == (SPEC, True)
