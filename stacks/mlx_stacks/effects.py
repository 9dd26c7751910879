"""What a step means for data, models and endpoints: one small function a resource type, in one table."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from mlx_engine.host import Op, Step
from mlx_stacks.changes import has_unknown


class Effect(StrEnum):
    """From the strongest to the weakest."""

    REPLACE_DATA = "replace data"
    RETRAIN = "retrain"
    REDEPLOY = "redeploy"
    CANARY = "canary"
    RESCHEDULE = "reschedule"
    METADATA = "metadata only"


STRENGTH = {effect: rank for rank, effect in enumerate(reversed(Effect))}
Meaning = tuple[Effect, str]
"""An effect and how to say it."""

DELETES = (Op.DELETE, Op.DELETE_REPLACED)


def strongest(meanings: list[Meaning]) -> Meaning | None:
    """The meaning that a person must know first."""
    return max(meanings, key=lambda meaning: STRENGTH[meaning[0]], default=None)


def meaning(step: Step) -> Meaning:
    """What a step of one of our resources means."""
    return MEANINGS[step.type](step)


def _dataset(step: Step) -> Meaning:
    if step.op in DELETES:
        return Effect.REPLACE_DATA, "the prepared rows are deleted"
    if step.op is Op.CREATE:
        return Effect.REPLACE_DATA, "prepare"
    if top_level(step) <= {"about"}:
        return Effect.METADATA, "metadata only"
    return Effect.REPLACE_DATA, "prepare again"


def _pipeline(step: Step) -> Meaning:
    if step.op in DELETES:
        return Effect.REDEPLOY, "the compiled pipeline is deleted"
    if top_level(step) <= {"about"} and step.op is not Op.CREATE:
        return Effect.METADATA, "metadata only"
    return Effect.REDEPLOY, "compile"


def _model_version(step: Step) -> Meaning:
    if step.op in DELETES:
        return Effect.METADATA, "registered versions and runs are kept"
    if step.op is Op.CREATE:
        return Effect.RETRAIN, "train"
    if "fingerprint" in top_level(step):
        known = not has_unknown(step.new_inputs.get("fingerprint"))
        return Effect.RETRAIN, "retrain" if known else "retrain unless the data comes out equal"
    if "package" in top_level(step):
        return Effect.REDEPLOY, "package again, no retrain"
    return Effect.METADATA, "metadata only, no retrain"


def _champion(step: Step) -> Meaning:
    if step.op in DELETES:
        return Effect.REDEPLOY, "the alias is removed"
    if top_level(step) <= {"about"} and step.op is not Op.CREATE:
        return Effect.METADATA, "metadata only"
    if "current" in top_level(step):
        return Effect.REDEPLOY, "the alias was moved by hand: put back"
    return Effect.METADATA, "judge the gates, no retrain"


def _server(step: Step) -> Meaning:
    if step.op in DELETES:
        return Effect.REDEPLOY, "the endpoint is stopped"
    if step.op is Op.CREATE:
        return Effect.REDEPLOY, "start the endpoint"
    changed = top_level(step)
    if "pid" in changed:
        return Effect.REDEPLOY, "the server is not running: start it again"
    if changed & {"port", "cpu", "memory"}:
        return Effect.REDEPLOY, "restart the endpoint"
    if "version" in changed:
        return Effect.REDEPLOY, "switch if the new version passes, no restart" if has_unknown(step.new_inputs.get("version")) else "switch versions, no restart"
    return Effect.METADATA, "reconfigure, no restart"


def _batch(step: Step) -> Meaning:
    if step.op in DELETES:
        return Effect.REDEPLOY, "the predictions are deleted"
    if top_level(step) <= {"about", "cpu", "memory"} and step.op is not Op.CREATE:
        return Effect.METADATA, "metadata only"
    manual = step.new_inputs.get("trigger") == "manual" and "requested" not in top_level(step)
    return (Effect.METADATA, "waits for mlx run") if manual else (Effect.REDEPLOY, "score" if step.op is Op.CREATE else "score again")


def _declared(step: Step) -> Meaning:
    return Effect.METADATA, "no retrain, no restart"


MEANINGS: Mapping[str, Callable[[Step], Meaning]] = {
    "mlx:index:PreparedDataset": _dataset,
    "mlx:index:CompiledPipeline": _pipeline,
    "mlx:index:ModelVersion": _model_version,
    "mlx:index:Champion": _champion,
    "mlx:index:ModelServer": _server,
    "mlx:index:BatchPredictions": _batch,
    "mlx:index:Declared": _declared,
}


def top_level(step: Step) -> set[str]:
    """The names of the inputs that differ; a path within one counts as that one."""
    return {path.split(".")[0].split("[")[0] for path in (*step.changed, *step.replaced_by)}
