"""Creating, changing and planning objects by server-side apply; a plan is a dry run, compared with the live object.

Enters: a tidied object. Leaves: the live one. Nothing is compared with what was sent: the server fills in defaults, webhooks
change things, and both are in the dry run as well. What runs once and has failed is made anew where it says so.
Source: Kubernetes, server-side apply; dry run.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mlx_kubernetes.client import APPLY, Answer, Client
from mlx_kubernetes.discovery import Discovery, Resource
from mlx_kubernetes.errors import KubernetesError, NotYet
from mlx_kubernetes.fields import left_alone
from mlx_kubernetes.kinds import kind_of
from mlx_kubernetes.listing import Listing
from mlx_kubernetes.objects import Object, Path, called, comparable, differences
from mlx_kubernetes.readiness import has_failed_for_good
from mlx_specs.annotations import FAILED, RUNS_AGAIN

OWNER = "mlx.dev/owner"
"""The label that says which project and stack an object belongs to; set by the program."""
Verdict = Literal["same", "update", "replace", "create", "unchecked"]
TRIAL = "mlx-trial-"
"""How the name of an object begins that only a dry run ever sees."""
ABSENT = "1"
"""The resourceVersion that no object has: sent with one, an object is made where there is none, and else left as it is (409)."""


@dataclass(frozen=True)
class Planned:
    """What an apply would do to an object."""

    verdict: Verdict
    changed: tuple[Path, ...] = ()
    reason: str = ""
    """Why it could not be checked."""
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it would be then."""


@dataclass(frozen=True)
class Cluster:
    """One cluster, in whose objects we are ``manager``."""

    client: Client
    discovery: Discovery
    listing: Listing
    manager: str = ""
    """Of the fields that we send: one for each project and stack."""

    def resource(self, tidy: Mapping[str, Any]) -> Resource:
        kind_of(str(tidy["apiVersion"]), str(tidy["kind"]))
        return self.discovery.resource(str(tidy["apiVersion"]), str(tidy["kind"]))

    def path(self, tidy: Mapping[str, Any]) -> str:
        metadata = tidy["metadata"]
        return self.resource(tidy).path(str(metadata.get("namespace") or ""), str(metadata["name"]))


def live(cluster: Cluster, tidy: Mapping[str, Any]) -> Object | None:
    """The object as it is now."""
    answer = cluster.client.get(cluster.path(tidy))
    if answer.code == 404:
        return None
    return dict(_checked(answer, tidy))


def create(cluster: Cluster, tidy: Object) -> Object:
    """Makes it; takes over what an interrupted apply of the same owner left. Another's object is refused."""
    answer = _send(cluster, _only_new(tidy), dry=False)
    there = live(cluster, tidy) if _was_there(answer) else None
    if there is not None:
        refuse_foreign(tidy, there)
        return change(cluster, tidy, there)
    return _applied(cluster, _only_new(tidy)) if _was_there(answer) else dict(_checked(answer, tidy))


def change(cluster: Cluster, tidy: Object, there: Mapping[str, Any], ignored: Sequence[str] = ()) -> Object:
    """Sends it, less what others have taken over and with what is ignored as it is."""
    if (there.get("metadata") or {}).get("deletionTimestamp"):
        raise KubernetesError(f"{called(tidy)} is being deleted", hint="apply again once it is gone; kubectl get shows its finalizers")
    sent = left_alone(tidy, there, cluster.manager, ignored)
    sent["metadata"] = {**sent["metadata"], "uid": there["metadata"]["uid"]}  # only this object: not one that was made anew meanwhile
    return _applied(cluster, sent)


def plan_new(cluster: Cluster, tidy: Object) -> Planned:
    """What making it would come to, asked by dry runs; nothing is written. An object that is there must not be another's."""
    try:
        answer = _send(cluster, _only_new(tidy), dry=True)
        there = live(cluster, tidy) if _was_there(answer) else None
    except NotYet as error:
        return _unchecked(error)
    if there is None:
        return _planned_create(answer, tidy)
    refuse_foreign(tidy, there)
    return _compared(cluster, tidy, there, _dry_run(cluster, tidy, there))


def plan(cluster: Cluster, tidy: Object, ignored: Sequence[str] = ()) -> Planned:
    """What an apply would do to an object that was made before, asked by dry runs; nothing is written."""
    try:
        listed = _listed(cluster, tidy)
        answer = _dry_run(cluster, tidy, listed, ignored) if listed else None
        if listed and answer and _is_of(answer, listed):
            return _compared(cluster, tidy, listed, answer)
        there = live(cluster, tidy)
    except NotYet as error:
        return _unchecked(error)
    if there is None:
        return _planned_create(_send(cluster, tidy, dry=True), tidy)
    return _compared(cluster, tidy, there, _dry_run(cluster, tidy, there, ignored))


def refuse_foreign(tidy: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """An object of another owner, or of none, is not ours to change."""
    if is_ours(tidy, there):
        return
    found = _owner(there)
    whose = f"belongs to {found}" if found else "was not made by mlx"
    raise KubernetesError(f"{called(tidy)} exists and {whose}", hint="choose another name or namespace; or import it, or delete it first")


def is_ours(tidy: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether both bear the label of one owner."""
    return bool(_owner(tidy)) and _owner(tidy) == _owner(there)


def _listed(cluster: Cluster, tidy: Object) -> Object | None:
    owner, metadata = _owner(tidy), tidy["metadata"]
    if not owner:
        return None
    return cluster.listing.take(cluster.resource(tidy), str(metadata.get("namespace") or ""), str(metadata["name"]), f"{OWNER}={owner}")


def _dry_run(cluster: Cluster, tidy: Object, there: Mapping[str, Any], ignored: Sequence[str] = ()) -> Answer:
    return _send(cluster, left_alone(tidy, there, cluster.manager, ignored), dry=True)


def _is_of(answer: Answer, listed: Mapping[str, Any]) -> bool:
    """Whether the dry run was of the object as it was listed, and not of what it has become since: it does not change the version."""
    return answer.ok and answer.body["metadata"].get("resourceVersion") == listed["metadata"]["resourceVersion"]


def _compared(cluster: Cluster, tidy: Object, there: Mapping[str, Any], answer: Answer) -> Planned:
    if answer.code == 422 and _is_immutable(cluster, tidy):
        return _plan_replace(cluster, tidy, there, answer)
    after = _checked(answer, tidy)
    changed = tuple(differences(comparable(there), comparable(after)))
    if _runs_again(tidy) and has_failed_for_good(after):
        return Planned("replace", (*changed, ("status",)), result=after)
    return Planned("update" if changed else "same", changed, result=after)


def _runs_again(tidy: Object) -> bool:
    return (tidy["metadata"].get("annotations") or {}).get(RUNS_AGAIN) == FAILED


def _unchecked(error: NotYet) -> Planned:
    return Planned("unchecked", reason=str(error.args[0]).partition("\n")[0])


def _planned_create(answer: Answer, tidy: Object) -> Planned:
    if _namespace_is_missing(answer):
        return Planned("unchecked", reason=f"its namespace {tidy['metadata'].get('namespace')} is not there yet")
    return Planned("create", result=_checked(answer, tidy))


def _only_new(tidy: Object) -> Object:
    return {**tidy, "metadata": {**tidy["metadata"], "resourceVersion": ABSENT}}


def _was_there(answer: Answer) -> bool:
    return answer.code == 409 and not answer.causes


def _plan_replace(cluster: Cluster, tidy: Object, there: Mapping[str, Any], answer: Answer) -> Planned:
    if kind_of(str(tidy["apiVersion"]), str(tidy["kind"])).never_replaced:
        raise _error(answer, tidy)
    named = tuple(tuple(cause.field.split(".")) for cause in answer.causes if cause.field)
    return Planned("replace", named or tuple(differences(comparable(there), comparable(tidy))))


def _is_immutable(cluster: Cluster, tidy: Object) -> bool:
    """Whether a new object like this would be taken: then only the old one stands in the way. The texts vary too much to tell by."""
    trial = copy.deepcopy(tidy)
    trial["metadata"]["name"] = f"{TRIAL}{tidy['metadata']['name']}"[:60].rstrip("-.")
    return _send(cluster, trial, dry=True).ok


def _applied(cluster: Cluster, sent: Object) -> Object:
    answer = _send(cluster, sent, dry=False)
    return dict(_checked(answer, sent))


def _send(cluster: Cluster, sent: Object, *, dry: bool) -> Answer:
    query = {"fieldManager": cluster.manager, "force": "true", **({"dryRun": "All"} if dry else {})}
    return cluster.client.request("PATCH", cluster.path(sent), sent, type=APPLY, query=query)


def _checked(answer: Answer, tidy: Mapping[str, Any]) -> Mapping[str, Any]:
    if answer.ok:
        return answer.body
    raise _error(answer, tidy)


def _error(answer: Answer, tidy: Mapping[str, Any]) -> KubernetesError:
    """The server's reason in one sentence. Causes only, where there are: the message of some echoes the whole object with its values."""
    what = called(tidy)
    if _namespace_is_missing(answer):
        return NotYet(f"{what}: namespace {tidy['metadata'].get('namespace')} is not there", hint="declare the Namespace, or make it")
    if answer.code == 404:
        return NotYet(f"{what}: the cluster does not know its kind", hint="install its definition: mlx apply --cluster NAME")
    if answer.code == 403 and _is_terminating(answer):
        return KubernetesError(f"{what}: its namespace is being deleted", hint="apply again once it is gone")
    if answer.code == 403:
        return KubernetesError(f"{what}: not allowed: {_last(answer.message)}", hint="ask for this permission, or use another context")
    if answer.code == 409 and answer.causes:
        return KubernetesError(f"{what}: {_conflicts(answer)}", hint="give the field up in the specs, or let the other owner give it up")
    if answer.code == 422 and answer.causes:
        return KubernetesError(f"{what} is not valid: {'; '.join(f'{cause.field}: {_first(cause.message)}' for cause in answer.causes)}")
    if "failed calling webhook" in answer.message:
        return KubernetesError(f"{what}: {_first(answer.message)}", hint="is the operator behind this webhook running?")
    if "failed to create typed patch object" in answer.message:
        return KubernetesError(f"{what} is not valid: {answer.message.rpartition('): ')[2]}")
    return KubernetesError(f"{what}: {_first(answer.message) or f'the API server answered {answer.code}'}")


def _namespace_is_missing(answer: Answer) -> bool:
    return answer.code == 404 and answer.details.get("kind") == "namespaces"


def _is_terminating(answer: Answer) -> bool:
    return any(cause.reason == "NamespaceTerminating" for cause in answer.causes)


def _conflicts(answer: Answer) -> str:
    return "; ".join(f"{cause.field.removeprefix('.')}: {cause.message}" for cause in answer.causes)


def _first(message: str) -> str:
    return message.strip().partition("\n")[0][:400]


def _last(message: str) -> str:
    """RBAC's messages name object, user, verb and group in this order."""
    return _first(message.partition(" is forbidden: ")[2] or message)


def _owner(of: Mapping[str, Any]) -> str:
    return str(((of.get("metadata") or {}).get("labels") or {}).get(OWNER) or "")
