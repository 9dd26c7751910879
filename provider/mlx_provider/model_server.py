"""mlx:index:ModelServer: a server process on this machine that outlives the CLI and switches versions inside itself."""

import shutil
from pathlib import Path

from mlx_provider.feature_registry import code_of
from mlx_provider.protocol import Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs import layout
from mlx_specs.inference_resources import ModelServerInputs, ModelServerOutputs

DEFAULTS = {"log": False}
"""Of inputs that came later."""
RESTARTS = ("port", "cpu", "memory")
"""What a running process cannot change in itself."""


class ModelServer:
    """id = the endpoint's name. Without a version it waits and says so."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Adds the digest of the code of the on-demand functions that it calls."""
        asked = ModelServerInputs.model_validate(inputs)
        if asked.features is None:
            return asked.wire()
        code = code_of(asked.features.definitions, workspace, f"inference {asked.name!r}")
        return asked.model_copy(update={"features": asked.features.model_copy(update={"code_digest": code})}).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Everything is updated in place; a server that died is found here, without a refresh. What an older version did not write has its default."""
        from mlx_runtime.server.lifecycle import find

        changed = changed_inputs({**DEFAULTS, **old_inputs}, inputs)
        old = ModelServerOutputs.model_validate(old_outputs)
        alive = find(workspace / layout.endpoint(old.home, old.name)) is not None
        return Difference(changed if alive else (*changed, "pid"))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Address and process are known while it need not be started again."""
        if not old_outputs or any(old_outputs.get(key) != inputs.get(key) for key in RESTARTS):
            return dict(inputs)
        status = {"status": old_outputs["status"]} if old_outputs.get("version") == inputs.get("version") else {}
        return {**{key: value for key, value in old_outputs.items() if key != "status"}, **inputs, **status}

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Starts it, or takes over the one that an interrupted apply started."""
        asked = ModelServerInputs.model_validate(inputs)
        return Created(asked.name, _bring_up(asked, workspace, report).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """What the process says of itself; None when it is gone."""
        from mlx_runtime.server.lifecycle import find

        known = ModelServerOutputs.model_validate(outputs)
        running = find(workspace / layout.endpoint(known.home, known.name))
        if running is None:
            return None
        return known.model_copy(update={"pid": running.pid, "bound_port": running.port, "url": running.url}).wire()

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Switches inside the process where that is enough, else starts it again."""
        return _bring_up(ModelServerInputs.model_validate(inputs), workspace, report).wire()

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Stops the process and removes its folder."""
        from mlx_runtime.server.lifecycle import stop

        gone = ModelServerInputs.model_validate(inputs)
        folder = workspace / layout.endpoint(gone.home, gone.name)
        stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def find_server(inputs: Values, workspace: Path) -> Created | None:
    """The server that an interrupted create started, if it runs."""
    from mlx_runtime.server.lifecycle import find

    asked = ModelServerInputs.model_validate(inputs)
    running = find(workspace / layout.endpoint(asked.home, asked.name))
    return Created(asked.name, _outputs(asked, running.url, running.port, running.pid).wire()) if running else None


def _bring_up(asked: ModelServerInputs, workspace: Path, report: Report) -> ModelServerOutputs:
    from mlx_runtime.errors import RuntimeFailure
    from mlx_runtime.server.lifecycle import ensure

    folder = workspace / layout.endpoint(asked.home, asked.name)
    try:
        running = ensure(folder, asked, workspace)
    except RuntimeFailure as error:
        raise ResourceError(f"inference {asked.name!r}: {error}", hint=error.hint) from error
    outputs = _outputs(asked, running.url, running.port, running.pid)
    report(f"{outputs.status} at {running.url}")
    return outputs


def _outputs(asked: ModelServerInputs, url: str, port: int, pid: int) -> ModelServerOutputs:
    status = "Ready" if asked.version.exists else f"WaitingForModel({asked.model}@{asked.alias})"
    return ModelServerOutputs(**dict(asked), url=url, bound_port=port, pid=pid, status=status)
