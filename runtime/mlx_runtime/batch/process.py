"""``python -m mlx_runtime.batch.process``: the process of a batch run. Inputs come as JSON on standard input.

Standard output is a JSON object a line: ``{"report": …}`` while it works, then ``{"outputs": …}`` or ``{"error": …}``.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mlx_runtime.batch.run import run
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.quantity import limit_memory
from mlx_runtime.workspace_code import make_importable
from mlx_specs.inference_resources import BatchPredictionsInputs


def main() -> int:
    """The process; returns its exit status."""
    inputs, workspace = BatchPredictionsInputs.model_validate_json(sys.stdin.read()), Path.cwd()
    make_importable(workspace)
    if inputs.memory:
        limit_memory(inputs.memory)
    try:
        _say({"outputs": run(inputs, workspace, lambda line: _say({"report": line})).wire()})
    except RuntimeFailure as error:
        _say({"error": str(error), "hint": error.hint})
        return 1
    except MemoryError:
        _say({"error": f"the batch run does not fit into memory ({inputs.memory})", "hint": "raise compute.memory of the Inference"})
        return 1
    except OSError as error:
        _say(
            {
                "error": f"{error.filename or 'a file'}: {error.strerror}",
                "hint": "mlx doctor looks at what is in the way; make room or move it away, then apply",
            }
        )
        return 1
    return 0


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
