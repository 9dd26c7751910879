"""What a step means for data, models and endpoints: one small function a resource type, in one table.

What was made before and is kept (a trained version, a batch's predictions) is looked up in the workspace, by the plan and again
by the guard of the apply, so that what is said is what is done. Reads only.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from mlx_engine.host import UNKNOWN, Op, Step
from mlx_pipelines.trained import find_trained
from mlx_provider.batch_predictions import is_scored, scores
from mlx_specs.feature_definitions import without_about
from mlx_specs.feature_resources import FeatureDefinitions
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.resources import Version
from mlx_stacks import kubernetes_effects
from mlx_stacks.changes import has_unknown
from mlx_stacks.kubernetes_effects import AFTER_FAILURE, NOT_WAITED_FOR


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


def together(meanings: list[Meaning]) -> Meaning | None:
    """The strongest effect, with the words of all that have it: an object on a cluster is many things at once."""
    chosen = strongest(meanings)
    if chosen is None:
        return None
    texts = Counter(text for effect, text in meanings if effect is chosen[0])
    if len(texts) == 1:
        return chosen
    counted = [text if count == 1 else f"{text} ({count})" for text, count in texts.items()]
    return chosen[0], ", ".join(counted[:WORDS]) + (f" and {len(counted) - WORDS} more" if len(counted) > WORDS else "")


WORDS = 3
"""How many things that happen to an object are named."""


def meaning(step: Step, root: Path) -> Meaning:
    """What a step of one of our resources means in the workspace at ``root``."""
    if is_taken_over(step):
        return Effect.METADATA, UNTOUCHED.get(step.type, "metadata only")
    return MEANINGS[step.type](step, root) if step.type in MEANINGS else _outside(step)


def is_taken_over(step: Step) -> bool:
    """Whether an update only takes new inputs over, and nothing is made of them."""
    return step.op is Op.UPDATE and bool(step.changed) and top_level(step) <= ONLY_RECORDED.get(step.type, {"about"})


def does_nothing(step: Step) -> bool:
    """Whether a step only records what is asked for: also a batch inference whose predictions are not due."""
    waits = step.type == "mlx:index:BatchPredictions" and step.op in (Op.CREATE, Op.UPDATE) and not scores(step.new_inputs, step.old_outputs)
    return waits or is_taken_over(step)


ONLY_RECORDED: Mapping[str, set[str]] = {
    "mlx:index:BatchPredictions": {"about", "cpu", "memory"},
    "mlx:index:OnlineFeatures": {"about", "mode"},
    "mlx:index:ModelServer": set(),
    "mlx:index:Declared": set(),
    "mlx:index:TrainingRun": {"about", "run"},
}
"""Inputs that are taken over without anything being done; for a type without a row it is what is said of the object."""
UNTOUCHED: Mapping[str, str] = {"mlx:index:ModelVersion": "metadata only, no retrain", "mlx:index:FeatureRegistry": "metadata only, no retrain"}


def _dataset(step: Step, root: Path) -> Meaning:
    if step.op in DELETES:
        return Effect.REPLACE_DATA, "the prepared rows are deleted"
    return Effect.REPLACE_DATA, "prepare" if step.op is Op.CREATE else "prepare again"


def _registry(step: Step, root: Path) -> Meaning:
    changed = top_level(step)
    if step.op in DELETES:
        return Effect.REDEPLOY, "registry, online store and sources are removed"
    if step.op is Op.CREATE:
        return Effect.REDEPLOY, "register the features"
    if changed & {"registryDigest", "path"}:
        return Effect.REDEPLOY, "put the registry back"
    if changed <= {"about", "definitions"} and _only_about(step):
        return Effect.METADATA, "metadata only, no retrain"
    return Effect.REDEPLOY, "register again"


def _only_about(step: Step) -> bool:
    """Whether definitions differ in nothing but descriptions, owners and tags."""
    old, new = (without_about(FeatureDefinitions.model_validate(inputs.get("definitions", {}))) for inputs in (step.old_inputs, step.new_inputs))
    return old == new


def _online(step: Step, root: Path) -> Meaning:
    if step.op in DELETES:
        return Effect.REDEPLOY, "the online store is removed"
    if step.new_inputs.get("trigger") == "manual":
        return Effect.METADATA, "waits for mlx features materialize"
    return Effect.REDEPLOY, "materialise" if step.op is Op.CREATE else "materialise again"


def _joined(step: Step, root: Path) -> Meaning:
    """The weakest: what the rows are for, a training or a batch, says what a join means."""
    if step.op in DELETES:
        return Effect.METADATA, "the joined rows are deleted"
    return Effect.METADATA, "join the features" if step.op is Op.CREATE else "join the features again"


def _pipeline(step: Step, root: Path) -> Meaning:
    return Effect.REDEPLOY, "the compiled pipeline is deleted" if step.op in DELETES else "compile"


def _model_version(step: Step, root: Path) -> Meaning:
    if step.op in DELETES:
        return Effect.METADATA, "registered versions and runs are kept"
    if step.op is Op.CREATE or top_level(step) & {"fingerprint", "runId"}:
        return _reused(step, root) or (Effect.RETRAIN, _training(step))
    return Effect.REDEPLOY, "package again, no retrain"


def _training(step: Step) -> str:
    fits = ModelVersionInputs.model_validate(step.new_inputs).fits
    costs = f" ({fits} fits)" if fits > 1 else ""
    if step.op is Op.CREATE:
        return f"train{costs}"
    return f"retrain unless the data comes out equal{costs}" if has_unknown(step.new_inputs.get("fingerprint")) else f"retrain{costs}"


def _reused(step: Step, root: Path) -> Meaning | None:
    """A version that is trained already: nothing is trained, whatever it takes to bring it back."""
    if step.new_inputs.get("fingerprint", UNKNOWN) == UNKNOWN:
        return None
    asked = ModelVersionInputs.model_validate(step.new_inputs)
    trained = find_trained(asked, root)
    if trained is None:
        return None
    if trained.registered is None:
        return Effect.REDEPLOY, f"the registry lost its version ({asked.fingerprint[:8]}…): registered again, no retrain"
    again = "reused" if trained.packaged else "packaged again"
    return Effect.REDEPLOY, f"version {trained.registered.version} ({asked.fingerprint[:8]}…) is already trained: {again}"


def _training_run(step: Step, root: Path) -> Meaning:
    """Submitted, and not waited for: no lock is held while a model trains on a cluster."""
    if step.op in DELETES:
        return Effect.METADATA, "registered versions and runs are kept"
    if step.op is Op.CREATE:
        return Effect.RETRAIN, f"train {NOT_WAITED_FOR}"
    if "fingerprint" in top_level(step):
        return Effect.RETRAIN, f"retrain {NOT_WAITED_FOR}"
    if "runId" in top_level(step):
        return Effect.RETRAIN, f"train {NOT_WAITED_FOR}{AFTER_FAILURE}"
    return Effect.METADATA, "metadata only, no retrain"


def _recurring_run(step: Step, root: Path) -> Meaning:
    if step.op in DELETES:
        return Effect.RESCHEDULE, "its schedule ends; runs are kept"
    if step.op is Op.CREATE:
        return Effect.RESCHEDULE, "schedule retraining"
    return (Effect.RESCHEDULE, "reschedule retraining") if top_level(step) & {"schedule", "run"} else (Effect.METADATA, "metadata only, no retrain")


def _champion(step: Step, root: Path) -> Meaning:
    if step.op in DELETES:
        return Effect.REDEPLOY, "the alias is removed"
    if "current" in top_level(step):
        return Effect.REDEPLOY, "the alias was moved by hand: put back"
    return Effect.METADATA, "judge the gates, no retrain"


def _released_model(step: Step, root: Path) -> Meaning:
    changed = top_level(step)
    if step.op in DELETES:
        return Effect.REDEPLOY, "the alias is removed; the released bytes are kept"
    if step.op is Op.CREATE:
        return Effect.REDEPLOY, "take over the released version, no retrain"
    if changed & {"fingerprint", "artifactDigest", "home"}:
        return Effect.REDEPLOY, "switch to the released version, no retrain"
    if changed & {"current", "version"}:
        return Effect.REDEPLOY, "the registry was changed by hand: put back"
    return Effect.METADATA, "metadata only, no retrain"


def _release(step: Step, root: Path) -> Meaning:
    return Effect.METADATA, "the released bytes are kept" if step.op in DELETES else "record the release"


def _server(step: Step, root: Path) -> Meaning:
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
    if "features" in changed:
        return Effect.REDEPLOY, "look features up anew, no restart"
    return Effect.METADATA, "reconfigure, no restart"


def _batch(step: Step, root: Path) -> Meaning:
    """What the provider decides, said before: it scores, waits for a model or for `mlx run`, or leaves the predictions as they are."""
    if step.op in DELETES:
        return Effect.REDEPLOY, "the predictions are deleted"
    asked, made = step.new_inputs, step.old_outputs
    if not scores(asked, made):
        return Effect.METADATA, "waits for mlx run" if asked.get("trigger") == "manual" else "the predictions stay"
    if not Version.model_validate(asked["version"]).exists:
        return Effect.METADATA, "waits for its model"
    if is_scored(asked, made, root):
        return Effect.METADATA, "scored already: the predictions are kept"
    return Effect.REDEPLOY, _scoring(step)


def _scoring(step: Step) -> str:
    if not step.old_outputs.get("path"):
        return "score"
    other_rows = step.old_outputs.get("input") != step.new_inputs.get("input")
    return "score again if the new version passes" if has_unknown(step.new_inputs.get("version")) and not other_rows else "score again"


def _declared(step: Step, root: Path) -> Meaning:
    if step.op is Op.CREATE and step.new_inputs.get("kind") == "Monitor":
        return Effect.METADATA, "waits for mlx monitor run"
    return Effect.METADATA, "no retrain, no restart"


def _outside(step: Step) -> Meaning:
    """An object in a cluster, or a cloud's resource."""
    changed = (*step.changed, *step.replaced_by)
    if step.op is Op.UPDATE and kubernetes_effects.is_about_only(changed):
        return Effect.METADATA, "metadata only"
    if step.op is Op.UPDATE and kubernetes_effects.is_schedule_only(step, changed):
        return Effect.RESCHEDULE, "reschedule"
    asked, kind = kubernetes_effects.purpose(step)
    made = step.op in (Op.CREATE, Op.REPLACE, Op.CREATE_REPLACEMENT) and kind in kubernetes_effects.SUBMITS
    strong = {"Dataset": Effect.REPLACE_DATA, "Model": Effect.RETRAIN}.get(asked, Effect.REDEPLOY) if made else Effect.REDEPLOY
    return strong, kubernetes_effects.verb(step)


MEANINGS: Mapping[str, Callable[[Step, Path], Meaning]] = {
    "mlx:index:PreparedDataset": _dataset,
    "mlx:index:FeatureRegistry": _registry,
    "mlx:index:OnlineFeatures": _online,
    "mlx:index:JoinedDataset": _joined,
    "mlx:index:CompiledPipeline": _pipeline,
    "mlx:index:ModelVersion": _model_version,
    "mlx:index:TrainingRun": _training_run,
    "mlx:index:RecurringRun": _recurring_run,
    "mlx:index:Champion": _champion,
    "mlx:index:Release": _release,
    "mlx:index:ReleasedModel": _released_model,
    "mlx:index:ModelServer": _server,
    "mlx:index:BatchPredictions": _batch,
    "mlx:index:Declared": _declared,
}


def top_level(step: Step) -> set[str]:
    """The names of the inputs that differ; a path within one counts as that one."""
    return {path.split(".")[0].split("[")[0] for path in (*step.changed, *step.replaced_by)}
