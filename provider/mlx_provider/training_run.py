"""mlx:index:TrainingRun: a model version that a cluster is asked to train; submitted and recorded, not waited for."""

from pathlib import Path

from mlx_provider.pipelines_server import namespace_made, pipelines_server, reached, refuse_unfit_pipelines, speaking_of
from mlx_provider.protocol import Created, Difference, Report, Values, changed_inputs
from mlx_specs.pipeline_resources import TrainingRunInputs, TrainingRunOutputs

DIGITS = 16
ACCESS = frozenset({"access"})
"""Not of what is run."""


class TrainingRun:
    """id = fingerprint. Create finds the run of its name or submits it; delete keeps the run and what came of it."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is filled in."""
        return TrainingRunInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Another fingerprint is another run; how a run would be submitted matters to the next one only."""
        if old_inputs.get("fingerprint") != inputs["fingerprint"]:
            return Difference(("fingerprint",), replaces=("fingerprint",))
        return Difference(changed_inputs(old_inputs, inputs, ignoring=ACCESS))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The server gives the run its id; one that takes no run is told before anything is changed."""
        if old_outputs is not None and old_outputs.get("fingerprint") == inputs["fingerprint"]:
            return {**old_outputs, **inputs}
        asked = TrainingRunInputs.model_validate(inputs)
        refuse_unfit_pipelines(asked.model, asked.run)
        return dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Submits the run, unless there is one of this fingerprint."""
        asked = TrainingRunInputs.model_validate(inputs)
        with speaking_of(asked.model):
            client = reached(asked.access)
            run_id = pipelines_server(asked.run, client).submit(asked.run, run_name(asked), namespace_made(asked.run, client))
        report(f"submitted as run {run_id}")
        return Created(asked.fingerprint, TrainingRunOutputs(**dict(asked), run_id=run_id).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """The server knows the run, or it is gone and will be submitted again."""
        known = TrainingRunOutputs.model_validate(outputs)
        with speaking_of(known.model):
            return outputs if pipelines_server(known.run, reached(known.access)).state(known.run_id) is not None else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Only records."""
        return {**old_outputs, **inputs}

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Runs and versions only grow."""


def run_name(asked: TrainingRunInputs) -> str:
    """Under which a run is found again: with the namespace that only one environment has, as an installation of KFP may list all in one page."""
    return f"{asked.run.namespace}/{asked.model}-{asked.fingerprint[:DIGITS]}"
