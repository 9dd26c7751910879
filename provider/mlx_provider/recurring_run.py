"""mlx:index:RecurringRun: a model that a cluster trains by a schedule, exactly one schedule at any time."""

from pathlib import Path

from mlx_pipelines.errors import PipelineError
from mlx_provider.protocol import Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_provider.training_run import refuse_silent_pipelines
from mlx_specs.resources import RecurringRunInputs, RecurringRunOutputs


class RecurringRun:
    """id = the model's name. Kubeflow Pipelines cannot change one: the old is disabled, with its history, before the new is made."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is filled in."""
        return RecurringRunInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Everything is changed in place."""
        return Difference(changed_inputs(old_inputs, inputs))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The id stays while nothing but words changes; a server that takes no run is told before anything is changed."""
        if old_outputs is not None and all(old_outputs.get(key) == inputs.get(key) for key in ("schedule", "run")):
            return {**old_outputs, **inputs}
        asked = RecurringRunInputs.model_validate(inputs)
        refuse_silent_pipelines(asked.model, asked.run)
        return dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Finds the live one that says the same, or makes it."""
        from mlx_pipelines.kfp_api import schedule

        asked = RecurringRunInputs.model_validate(inputs)
        try:
            found = schedule(asked.run, asked.model, asked.schedule)
        except PipelineError as error:
            raise ResourceError(f"model {asked.model!r}: {error}", hint=error.hint) from error
        return Created(asked.model, RecurringRunOutputs(**dict(asked), recurring_run_id=found).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """It is live, or gone: somebody may have disabled it."""
        from mlx_pipelines.kfp_api import is_live

        known = RecurringRunOutputs.model_validate(outputs)
        try:
            return outputs if is_live(known.run, known.recurring_run_id) else None
        except PipelineError as error:
            raise ResourceError(f"model {known.model!r}: {error}", hint=error.hint) from error

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """As create: what is live and says the same stays."""
        return self.create(inputs, workspace, report).outputs

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Disabled; its runs stay."""
        from mlx_pipelines.kfp_api import unschedule

        known = RecurringRunInputs.model_validate(outputs)
        try:
            unschedule(known.run, known.model)
        except PipelineError as error:
            raise ResourceError(f"model {known.model!r}: {error}", hint=error.hint) from error
