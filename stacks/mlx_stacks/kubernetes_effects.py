"""What a step of a Kubernetes object, or of a cloud's resource, means: in the words of what it was made for, else by its kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlx_components.kubernetes.place import KIND
from mlx_components.kubernetes.stream import STREAM
from mlx_engine.host import Op, Step

NOT_WAITED_FOR = "(submitted, not waited for)"
AFTER_FAILURE = ", as it has failed"
MADE: Mapping[tuple[str, str], str] = {
    ("Dataset", "Job"): f"prepare {NOT_WAITED_FOR}",
    ("Dataset", "SparkApplication"): f"prepare on Spark {NOT_WAITED_FOR}",
    ("Model", "TrainJob"): f"train on several nodes {NOT_WAITED_FOR}",
    ("Inference", "InferenceService"): "start the endpoint",
    ("Inference", "Job"): f"score {NOT_WAITED_FOR}",
    ("Inference", "SparkApplication"): f"score on Spark {NOT_WAITED_FOR}",
    ("Monitor", "CronJob"): "look by its schedule",
    ("Notebook", "Notebook"): "start the notebook",
}
"""By the object of the specs and the kind of what is made for it. The rest is said by its kind."""
FOLLOWS = "follow the stream"
GOES_ON = "go on where the stream stands"
BEGINS_ANEW = "begin another stream anew"
CHANGED: Mapping[tuple[str, str], str] = {("Inference", "InferenceService"): "roll out, one replica after the other"}
ENDED: Mapping[tuple[str, str], str] = {
    ("Inference", "InferenceService"): "the endpoint is stopped",
    ("Inference", "SparkApplication"): "nothing is scored on Spark any more",
    ("Notebook", "Notebook"): "the notebook is stopped",
}
SCHEDULED = ("CronJob", "ScheduledSparkApplication")
SUBMITS = ("Job", "SparkApplication", "TrainJob")
"""Kinds of which a new one, named by its content, does what the object is for."""


def kind_of(step: Step) -> str:
    """``Deployment``"""
    return step.type.rpartition(":")[2]


def purpose(step: Step) -> tuple[str, str]:
    """The kind of the object of the specs that it was made for, and its own."""
    inputs = step.new_inputs or step.old_inputs
    metadata: Mapping[str, Any] = inputs.get("metadata") or {}
    labels: Mapping[str, Any] = metadata.get("labels") or {}
    return str(labels.get(KIND, "")), kind_of(step)


def is_about_only(changed: Sequence[str]) -> bool:
    """Labels and annotations: nothing runs otherwise for them."""
    return bool(changed) and all(path.startswith(("metadata.labels", "metadata.annotations")) for path in changed)


def is_schedule_only(step: Step, changed: Sequence[str]) -> bool:
    """When something runs, not what."""
    return kind_of(step) in SCHEDULED and bool(changed) and all(path in ("spec.schedule", "spec.suspend", "spec.timeZone") for path in changed)


def verb(step: Step) -> str:
    """``create Role``, or the words of its purpose."""
    asked, kind = purpose(step), kind_of(step)
    if _is_stream(step) and step.op in (Op.CREATE, Op.UPDATE):
        if step.op is Op.CREATE:
            return FOLLOWS
        return GOES_ON if _stream_of(step.old_inputs) == _stream_of(step.new_inputs) else BEGINS_ANEW
    match step.op:
        case Op.CREATE:
            return MADE.get(asked, f"create {kind}")
        case Op.DELETE | Op.DELETE_REPLACED:
            return ENDED.get(asked, f"{kind} is deleted")
        case Op.REPLACE | Op.CREATE_REPLACEMENT:
            return f"{MADE.get(asked, f'replace {kind}')}{AFTER_FAILURE if 'status' in step.replaced_by else ''}"
        case _:
            return CHANGED.get(asked, f"change {kind}")


def _is_stream(step: Step) -> bool:
    """Whether it is an application that runs without end."""
    inputs: Mapping[str, Any] = step.new_inputs or {}
    return kind_of(step) == "SparkApplication" and inputs.get("spec", {}).get("restartPolicy", {}).get("type") == "Always"


def _stream_of(inputs: Mapping[str, Any] | None) -> str:
    metadata: Mapping[str, Any] = (inputs or {}).get("metadata") or {}
    annotations: Mapping[str, Any] = metadata.get("annotations") or {}
    return str(annotations.get(STREAM, ""))
