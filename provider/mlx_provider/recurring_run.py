"""mlx:index:RecurringRun: a model that a cluster trains by a schedule, exactly one schedule at any time."""

from pathlib import Path

from mlx_provider.pipelines_server import pipelines_server, reached, refuse_unfit_pipelines, speaking_of
from mlx_provider.protocol import Created, Difference, Report, Values, changed_inputs
from mlx_provider.training_run import ACCESS
from mlx_specs.pipeline_resources import RecurringRunInputs, RecurringRunOutputs


class RecurringRun:
    """id = the model's name. Kubeflow Pipelines cannot change one: the old is disabled, with its history, before the new is made."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is filled in."""
        return RecurringRunInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Everything is changed in place."""
        return Difference(changed_inputs(old_inputs, inputs, ignoring=ACCESS))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The id stays while nothing but words changes; a server that takes no run is told before anything is changed."""
        if old_outputs is not None and all(old_outputs.get(key) == inputs.get(key) for key in ("schedule", "run")):
            return {**old_outputs, **inputs}
        asked = RecurringRunInputs.model_validate(inputs)
        refuse_unfit_pipelines(asked.model, asked.run)
        return dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Finds the live one that says the same, or makes it."""
        asked = RecurringRunInputs.model_validate(inputs)
        with speaking_of(asked.model):
            found = pipelines_server(asked.run, reached(asked.access)).schedule(asked.run, asked.model, asked.schedule)
        return Created(asked.model, RecurringRunOutputs(**dict(asked), recurring_run_id=found).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """It is live, or gone: somebody may have disabled it."""
        known = RecurringRunOutputs.model_validate(outputs)
        with speaking_of(known.model):
            return outputs if pipelines_server(known.run, reached(known.access)).is_live(known.recurring_run_id) else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """As create: what is live and says the same stays."""
        return self.create(inputs, workspace, report).outputs

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Disabled; its runs stay."""
        known = RecurringRunInputs.model_validate(outputs)
        with speaking_of(known.model):
            pipelines_server(known.run, reached(known.access)).unschedule(known.model)
