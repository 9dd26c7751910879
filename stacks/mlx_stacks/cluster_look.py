"""A look at a live cluster before anything is planned: can it be reached, are its add-ons there, what do its nodes offer.

Enters: how to reach it. Leaves: frozen values, or one ``UserError`` that says what is wrong and what to do. Reads only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from mlx_kubernetes.client import Answer, Client
from mlx_kubernetes.connection import connection
from mlx_kubernetes.errors import KubernetesError
from mlx_specs.cluster import Cluster
from mlx_stacks.add_ons import FoundAddOn, problems, verify
from mlx_stacks.errors import UserError

Node = Mapping[str, Any]
T = TypeVar("T")
FORBIDDEN = 403


@dataclass(frozen=True)
class Connected:
    """How to reach a cluster."""

    kubeconfig: str
    """A file's path or its content; empty: the user's own."""
    context: str

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> "Connected":
        """What the cluster's own stack has exported."""
        return cls(str(outputs.get("kubeconfig") or ""), str(outputs.get("context") or ""))

    def client(self) -> Client:
        """Asks the cluster; raises ``KubernetesError`` where the kubeconfig is no use."""
        return Client(connection(self.kubeconfig, self.context))


def look(cluster: Cluster, connected: Connected) -> tuple[FoundAddOn, ...]:
    """Its add-ons; raises ``UserError`` for a cluster that cannot be reached or read, and for add-ons that should be there and are not."""
    found = asked(lambda: verify(connected.client(), cluster.spec.add_ons))
    missing = problems(cluster.metadata.name, [one for one in found if one.wanted == "verify"])
    if missing:
        raise UserError("\n".join(missing), several=missing)
    return found


def nodes(client: Client) -> tuple[Node, ...]:
    """The cluster's nodes."""
    return _nodes(client.get("/api/v1/nodes"))


def nodes_if_allowed(client: Client) -> tuple[Node, ...] | None:
    """None for who may not see nodes, as an environment's own service account: the scheduler has the last word anyway."""
    answer = client.get("/api/v1/nodes")
    if answer.code == FORBIDDEN:
        return None
    return _nodes(answer)


def _nodes(answer: Answer) -> tuple[Node, ...]:
    if not answer.ok:
        raise KubernetesError(f"the cluster's nodes cannot be listed: {answer.message}", hint="ask for the right to list nodes: capacity is checked by them")
    return tuple(cast("Sequence[Node]", answer.body.get("items") or ()))


def asked(ask: Callable[[], T]) -> T:
    """What a question to a cluster gives; what went wrong as one line and one hint."""
    try:
        return ask()
    except KubernetesError as error:
        raise UserError(str(error).removesuffix(f"\n  hint: {error.hint}"), hint=error.hint) from error
