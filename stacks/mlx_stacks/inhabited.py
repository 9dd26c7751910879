"""A cluster with environments on it is not taken from under them: their queues and add-ons are its own.

Enters: a cluster's workspace. Leaves: nothing, or ``Blocked`` with the environments. Reads only.
"""

from mlx_components.kubernetes.place import KIND, NAME, OWNER, owner
from mlx_engine.stack_outputs import stack_outputs
from mlx_kubernetes.client import Client
from mlx_specs.diagnostics import listing, plural
from mlx_stacks.cluster_look import Connected, asked
from mlx_stacks.cluster_program import connected_as_applied
from mlx_stacks.errors import Blocked, UserError
from mlx_stacks.workspace import Workspace


def refuse_inhabited(workspace: Workspace) -> None:
    """A cluster that nobody can reach any more is not asked: what stands in state of it can still be removed."""
    outputs = stack_outputs(workspace.stack) if workspace.cluster is not None else None
    if workspace.cluster is None or outputs is None:
        return
    name = workspace.cluster.metadata.name
    found = _environments(connected_as_applied(workspace, workspace.cluster.spec, outputs))
    if found:
        ours = [environment for whose, environment in found if whose == owner(workspace.project, environment)]
        others = [whose for whose, environment in found if whose != owner(workspace.project, environment)]
        first = [f"first {listing([f'`mlx destroy --env {environment}`' for environment in ours])}"] if ours else []
        foreign = [f"{listing(others)}: of other projects"] if others else []
        reason = f"Cluster {name!r} has {plural(len(found), 'environment')} on it: {listing([environment for _, environment in found])}"
        raise Blocked(reason, hint="; ".join([*first, *foreign]))


def _environments(connected: Connected) -> list[tuple[str, str]]:
    """Owner and name of each, by its namespace."""

    def labels(client: Client) -> list[dict[str, str]]:
        answer = client.get("/api/v1/namespaces", labelSelector=f"{KIND}=Environment")
        return [item["metadata"]["labels"] for item in answer.body.get("items") or ()]

    try:
        found = asked(lambda: labels(connected.client()))
    except UserError:
        return []
    return sorted((each.get(OWNER, ""), each.get(NAME, "")) for each in found)
