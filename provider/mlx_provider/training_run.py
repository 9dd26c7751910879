"""mlx:index:TrainingRun: a model version that a cluster is asked to train; submitted and recorded, not waited for.

A run that has failed is submitted again by the next apply: what was wrong may have stood outside the specs. One that somebody
cancelled is left so.
"""

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
        """Another fingerprint is another run, and so is that of one that has failed; how a run would be submitted matters to the next one only."""
        if old_inputs.get("fingerprint") != inputs["fingerprint"]:
            return Difference(("fingerprint",), replaces=("fingerprint",))
        changed = changed_inputs(old_inputs, inputs, ignoring=ACCESS)
        return Difference((*changed, "runId") if _has_failed(old_outputs) else changed)

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
        return Created(asked.fingerprint, TrainingRunOutputs(**dict(asked), run_id=_submitted(asked, report)).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """The server knows the run, or it is gone and will be submitted again."""
        known = TrainingRunOutputs.model_validate(outputs)
        with speaking_of(known.model):
            return outputs if pipelines_server(known.run, reached(known.access)).state(known.run_id) is not None else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Submits again what has failed; else only records."""
        again = {"runId": _submitted(TrainingRunInputs.model_validate(inputs), report)} if _has_failed(old_outputs) else {}
        return {**old_outputs, **inputs, **again}

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Runs and versions only grow."""


def _submitted(asked: TrainingRunInputs, report: Report) -> str:
    """The run's id."""
    with speaking_of(asked.model):
        client = reached(asked.access)
        run_id = pipelines_server(asked.run, client).submit(asked.run, run_name(asked), namespace_made(asked.run, client))
    report(f"submitted as run {run_id}")
    return run_id


def _has_failed(outputs: Values) -> bool:
    """As far as the server says: a plan needs none where nothing is to be trained."""
    from mlx_kubernetes.errors import KubernetesError
    from mlx_pipelines.errors import PipelineError
    from mlx_pipelines.kfp_api import FAILED

    known = TrainingRunOutputs.model_validate(outputs)
    try:
        return pipelines_server(known.run, reached(known.access)).state(known.run_id) == FAILED
    except (PipelineError, KubernetesError):
        return False


def run_name(asked: TrainingRunInputs) -> str:
    """Under which a run is found again: with the namespace that only one environment has, as an installation of KFP may list all in one page."""
    return f"{asked.run.namespace}/{asked.model}-{asked.fingerprint[:DIGITS]}"
