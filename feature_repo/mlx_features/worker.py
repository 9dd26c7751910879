"""``python -m mlx_features.worker``: the process in which Feast runs, one request after the other, in the workspace's folder.

A request is a line of JSON on standard input; answers are lines on standard output: ``{"report": …}`` while it works, then
``{"result": …}`` or ``{"error": …, "hint": …}``. It ends with its standard input, whatever it is doing: so it ends with its parent.
"""

import errno
import json
import os
import queue
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from mlx_features.errors import FeatureError
from mlx_features.online_settings import online_settings
from mlx_specs.feature_resources import FeatureRegistryInputs, JoinedDatasetInputs, OnlineFeaturesInputs

COUNTERS = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")
"""Where Feast counts for its server, also where nothing is served: a temporary folder that it makes where none is named."""
Say = Callable[[dict[str, Any]], None]


def main() -> int:
    """The process; returns its exit status."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Feast prints is no answer
    say = _speaker(answers)
    for request in _requests():
        try:
            _import_feast(say)
            say({"result": _answer(request, lambda line: say({"report": line}))})
        except FeatureError as error:
            say({"error": str(error), "hint": error.hint})
        except Exception as error:
            traceback.print_exc()
            say(_told(error))
    return 0


def _answer(request: dict[str, Any], report: Callable[[str], None]) -> Any:
    """One operation; what it needs is imported with it."""
    from mlx_features import apply, join, materialize, push

    workspace = Path.cwd()
    match request:
        case {"verb": "apply", "inputs": inputs}:
            return apply.apply(FeatureRegistryInputs.model_validate(inputs), workspace, report, online_settings(os.environ)).wire()
        case {"verb": "materialize", "inputs": inputs, "start": start, "end": end}:
            return materialize.materialize(OnlineFeaturesInputs.model_validate(inputs), start, end, workspace, report).wire()
        case {"verb": "join", "inputs": inputs}:
            return join.join(JoinedDatasetInputs.model_validate(inputs), workspace, report).wire()
        case {"verb": "push", "home": home, "store": store, "view": view, "rows": rows}:
            return push.push(home, store, view, Path(rows), workspace)
        case _:
            raise FeatureError(f"the Feast process does not know the request {request.get('verb')!r}", hint="another version of mlx asked; run it again")


def _requests() -> Any:
    """What is asked; the end of the input ends the process even while it works."""
    asked: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            asked.put(line)
        _remove_counters()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(asked.get())


def _remove_counters() -> None:
    """What ``_import_feast`` made this process's own; Feast removes it in a regular exit only."""
    if "feast" in sys.modules and Path(os.environ.get(COUNTERS[0], "")).name.startswith("feast_metrics_"):
        shutil.rmtree(os.environ[COUNTERS[0]], ignore_errors=True)


def _import_feast(say: Say) -> None:
    """Feast imports torch where it is installed, and uses nothing of it: half of its time and two thirds of its memory."""
    if "feast" in sys.modules:
        return
    say({"report": "starting Feast"})
    for name in COUNTERS:
        os.environ.pop(name, None)  # a folder of the process that started us may be gone, and is not ours to remove
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        import feast  # noqa: F401
    except ImportError as error:
        raise FeatureError(f"Feast cannot be imported: {error}", hint="pip install 'mlx-iac[local]'") from error


def _speaker(answers: IO[str]) -> Say:
    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    return say


def _told(error: Exception) -> dict[str, Any]:
    """What is no FeatureError, in a line."""
    if isinstance(error, MemoryError) or "Out of Memory" in str(error):
        return {"error": "the features do not fit into memory", "hint": "close other programs, or take fewer features or rows"}
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "disk is full" in str(error) or "No space left" in str(error):
        return {"error": "the disk is full", "hint": "free some space, then apply again"}
    lines = str(error).strip().splitlines()
    return {"error": f"Feast failed: {type(error).__name__}: {lines[0] if lines else 'no reason given'}", "hint": ""}


if __name__ == "__main__":
    sys.exit(main())
