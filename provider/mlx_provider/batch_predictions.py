"""mlx:index:BatchPredictions: a dataset scored by one version, committed atomically."""

import shutil
from pathlib import Path

from mlx_provider.protocol import Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs import layout
from mlx_specs.inference_resources import BatchPredictionsInputs, BatchPredictionsOutputs

SCORED_FROM = ("version", "input", "columns", "home")


class BatchPredictions:
    """id = the inference's name. With `trigger: manual` only another `requested` scores again."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is added."""
        return BatchPredictionsInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Everything is updated in place."""
        return Difference(changed_inputs(old_inputs, inputs))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Where predictions stand is known while nothing is scored."""
        if old_outputs and old_outputs.get("path") and not scores(inputs, old_outputs):
            return _kept(inputs, old_outputs)
        return dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Scores, unless it waits for a model or for `mlx run`."""
        asked = BatchPredictionsInputs.model_validate(inputs)
        return Created(asked.name, _run(asked, workspace, report).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """The predictions are there, or were never due."""
        now = BatchPredictionsOutputs.model_validate(outputs)
        return None if now.path and not (workspace / now.path).is_file() else outputs

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Scores again where version, data or request changed."""
        asked = BatchPredictionsInputs.model_validate(inputs)
        if scores(inputs, old_outputs) or not old_outputs.get("path"):
            return _run(asked, workspace, report).wire()
        if inputs.get("about") != old_inputs.get("about"):
            _describe(asked, workspace)
        return _kept(asked.wire(), old_outputs)

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Predictions of an inference go with it."""
        gone = BatchPredictionsInputs.model_validate(inputs)
        shutil.rmtree(workspace / layout.predictions(gone.home, gone.name, "").parent / gone.name, ignore_errors=True)


def scores(inputs: Values, old_outputs: Values) -> bool:
    """Whether predictions are due: `mlx run` asked for them, or with `trigger: apply` they are not of this version and these rows."""
    missing = not old_outputs.get("path")
    requested = bool(inputs.get("requested")) and (missing or old_outputs.get("requested") != inputs.get("requested"))
    return requested or (inputs.get("trigger") == "apply" and (missing or _differs(inputs, old_outputs)))


def is_scored(inputs: Values, old_outputs: Values, workspace: Path) -> bool:
    """Whether the predictions that are there are of this version and these rows: asked for again, they are kept."""
    path = old_outputs.get("path")
    return bool(path) and not _differs(inputs, old_outputs) and (workspace / str(path)).is_file()


def _differs(inputs: Values, old_outputs: Values) -> bool:
    return any(old_outputs.get(key) != inputs.get(key) for key in SCORED_FROM)


def _kept(inputs: Values, old_outputs: Values) -> Values:
    """The outputs of predictions that stay: they go on naming the version and the rows that they were made of."""
    return {**old_outputs, **inputs, **{key: old_outputs[key] for key in SCORED_FROM if key in old_outputs}}


def _describe(asked: BatchPredictionsInputs, workspace: Path) -> None:
    from mlx_runtime.batch.run import set_about

    set_about((workspace / layout.predictions(asked.home, asked.name, "digest")).parent, asked.about.wire())


def _run(asked: BatchPredictionsInputs, workspace: Path, report: Report) -> BatchPredictionsOutputs:
    from mlx_runtime.batch import score_dataset
    from mlx_runtime.errors import RuntimeFailure

    if not asked.version.exists:
        return BatchPredictionsOutputs(**dict(asked), status=f"WaitingForModel({asked.model}@{asked.alias})")
    if asked.trigger == "manual" and not asked.requested:
        return BatchPredictionsOutputs(**dict(asked), status="NotRun(manual)")
    try:
        return score_dataset(asked, workspace, report)
    except RuntimeFailure as error:
        raise ResourceError(f"inference {asked.name!r}: {error}", hint=error.hint) from error
