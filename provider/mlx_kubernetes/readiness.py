"""Whether an object is ready, by kind; and why it is not: the cause that its pods tell.

Enters: a live object. Leaves: ``Ready``, ``Waiting`` or ``Failed`` with a reason. Without a controller the status stays
empty: that is said, as nothing will ever become ready.
Source: kstatus, and the status of each project's definitions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from mlx_specs.annotations import STOPPED

Object: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Readiness:
    """``reason`` says what is waited for, or what failed."""

    state: Literal["ready", "waiting", "failed"]
    reason: str = ""


READY = Readiness("ready")
SPARK_TRIES_AGAIN = ("SUBMISSION_FAILED", "FAILING")
"""States that become FAILED only when no try is left."""
Check: TypeAlias = Callable[[Object], Readiness]


def waiting(reason: str) -> Readiness:
    return Readiness("waiting", reason)


def failed(reason: str) -> Readiness:
    return Readiness("failed", reason)


def readiness(live: Object) -> Readiness:
    """Of any object; a kind without a rule is ready once it exists."""
    group = str(live.get("apiVersion", "")).rpartition("/")[0]
    check = CHECKS.get((group, str(live.get("kind"))))
    return check(live) if check else READY


def has_failed_for_good(live: Object) -> bool:
    """Whether it failed, and its controller does not try it again."""
    tried_again = (_status(live).get("applicationState") or {}).get("state") in SPARK_TRIES_AGAIN
    return readiness(live).state == "failed" and not tried_again


def _status(live: Object) -> Mapping[str, Any]:
    return live.get("status") or {}


def _is_behind(live: Object) -> bool:
    """Whether the controller has not seen the last change yet."""
    seen = _status(live).get("observedGeneration")
    return seen is not None and int(seen) < int((live.get("metadata") or {}).get("generation") or 0)


def _condition(live: Object, type: str) -> Mapping[str, Any] | None:
    conditions = cast("Sequence[Mapping[str, Any]]", _status(live).get("conditions") or ())
    return next((one for one in conditions if one.get("type") == type), None)


def _said(condition: Mapping[str, Any]) -> str:
    return ": ".join(str(part) for part in (condition.get("reason"), condition.get("message")) if part)


def by_condition(type: str, *failures: str) -> Check:
    """Ready when this condition is true; failed when one of the others is."""

    def check(live: Object) -> Readiness:
        for name in failures:
            broken = _condition(live, name)
            if broken is not None and broken.get("status") == "True":
                return failed(_said(broken))
        if not _status(live):
            return waiting("no controller has answered")
        found = _condition(live, type)
        if _is_behind(live) or found is None:
            return waiting(f"its controller has not said {type} yet")
        seen = found.get("observedGeneration")
        if seen is not None and int(seen) < int(live["metadata"].get("generation") or 0):
            return waiting("its controller has not seen the last change")
        return READY if found.get("status") == "True" else waiting(_said(found) or f"not {type}")

    return check


def _deployment(live: Object) -> Readiness:
    broken = _condition(live, "ReplicaFailure")
    if broken is not None and broken.get("status") == "True":
        return failed(_said(broken))
    progress = _condition(live, "Progressing")
    if progress is not None and progress.get("reason") == "ProgressDeadlineExceeded":
        return failed(_said(progress))
    return _replicas(live, "updatedReplicas", "availableReplicas")


def _stateful(live: Object) -> Readiness:
    return _replicas(live, "updatedReplicas", "readyReplicas")


def _replicas(live: Object, updated: str, ready: str) -> Readiness:
    wanted = int((live.get("spec") or {}).get("replicas", 1))
    status = _status(live)
    if "observedGeneration" not in status and wanted:
        return waiting("no controller has answered")
    if _is_behind(live):
        return waiting("its controller has not seen the last change")
    if int(status.get(updated) or 0) < wanted or int(status.get(ready) or 0) < wanted:
        return waiting(f"{min(int(status.get(updated) or 0), int(status.get(ready) or 0))} of {wanted} replicas ready")
    return READY if int(status.get("replicas") or 0) <= wanted else waiting("old replicas are ending")


def _daemons(live: Object) -> Readiness:
    status = _status(live)
    if "observedGeneration" not in status:
        return waiting("no controller has answered")
    wanted, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
    return waiting(f"{ready} of {wanted} pods ready") if _is_behind(live) or ready < wanted else READY


def _job(live: Object) -> Readiness:
    broken = _condition(live, "Failed")
    if broken is not None and broken.get("status") == "True":
        return failed(_said(broken))
    done = _condition(live, "Complete")
    if (done is not None and done.get("status") == "True") or (live.get("spec") or {}).get("suspend"):
        return READY
    status = _status(live)
    return waiting(f"{status.get('succeeded') or 0} of {(live.get('spec') or {}).get('completions') or 1} done")


def _claim(live: Object) -> Readiness:
    """Many storage classes bind a claim only for its first pod."""
    phase = str(_status(live).get("phase") or "Pending")
    return failed("the volume is lost") if phase == "Lost" else READY


def _pod(live: Object) -> Readiness:
    phase = str(_status(live).get("phase") or "Pending")
    if phase == "Failed":
        return failed(pod_cause(live) or "the pod failed")
    ready = _condition(live, "Ready")
    if phase == "Succeeded" or (ready is not None and ready.get("status") == "True"):
        return READY
    return waiting(pod_cause(live) or f"the pod is {phase}")


def _namespace(live: Object) -> Readiness:
    phase = str(_status(live).get("phase") or "")
    return READY if phase == "Active" else waiting(f"the namespace is {phase or 'new'}")


def _definition(live: Object) -> Readiness:
    refused = _condition(live, "NamesAccepted")
    if refused is not None and refused.get("status") == "False":
        return failed(_said(refused))
    return by_condition("Established")(live)


def _spark(live: Object) -> Readiness:
    state = str((_status(live).get("applicationState") or {}).get("state") or "")
    if state in ("FAILED", *SPARK_TRIES_AGAIN):
        return failed(str((_status(live).get("applicationState") or {}).get("errorMessage") or state))
    return READY if state in ("COMPLETED", "RUNNING") else waiting(f"the application is {state.lower() or 'not submitted'}")


def _notebook(live: Object) -> Readiness:
    stopped = STOPPED in ((live.get("metadata") or {}).get("annotations") or {})
    if stopped or int(_status(live).get("readyReplicas") or 0) > 0:
        return READY
    return waiting("no controller has answered" if not _status(live) else "its pod is not ready")


def _route(live: Object) -> Readiness:
    parents = cast("Sequence[Mapping[str, Any]]", _status(live).get("parents") or ())
    if not parents:
        return waiting("no gateway has taken it")
    refused = [one for parent in parents for one in parent.get("conditions") or () if one.get("type") == "Accepted" and one.get("status") == "False"]
    return failed(_said(refused[0])) if refused else READY


CHECKS: Mapping[tuple[str, str], Check] = {
    ("", "Namespace"): _namespace,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Pod"): _pod,
    ("apps", "DaemonSet"): _daemons,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful,
    ("batch", "Job"): _job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("serving.kserve.io", "InferenceService"): by_condition("Ready"),
    ("serving.kserve.io", "InferenceGraph"): by_condition("Ready"),
    ("serving.kserve.io", "TrainedModel"): by_condition("Ready"),
    ("trainer.kubeflow.org", "TrainJob"): by_condition("Complete", "Failed"),
    ("jobset.x-k8s.io", "JobSet"): by_condition("Completed", "Failed"),
    ("sparkoperator.k8s.io", "SparkApplication"): _spark,
    ("feast.dev", "FeatureStore"): by_condition("FeatureStore"),
    ("kubeflow.org", "Notebook"): _notebook,
    ("kueue.x-k8s.io", "ClusterQueue"): by_condition("Active"),
    ("kueue.x-k8s.io", "LocalQueue"): by_condition("Active"),
    ("gateway.networking.k8s.io", "Gateway"): by_condition("Programmed"),
    ("gateway.networking.k8s.io", "HTTPRoute"): _route,
    ("keda.sh", "ScaledObject"): by_condition("Ready"),
    ("cert-manager.io", "Certificate"): by_condition("Ready"),
    ("cert-manager.io", "Issuer"): by_condition("Ready"),
    ("cert-manager.io", "ClusterIssuer"): by_condition("Ready"),
}


def pod_cause(pod: Object) -> str:
    """Why a pod does not run: it is not scheduled, or a container waits or ended."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        return _said(scheduled)
    statuses = (*(_status(pod).get("initContainerStatuses") or ()), *(_status(pod).get("containerStatuses") or ()))
    for container in cast("Sequence[Mapping[str, Any]]", statuses):
        state = container.get("state") or {}
        held, ended = state.get("waiting"), state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if held and held.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"container {container.get('name')}: {_said(held)}"
        if ended and ended.get("exitCode"):
            return f"container {container.get('name')} ended with {ended['exitCode']}: {ended.get('reason') or ''}".rstrip(": ")
    return ""
