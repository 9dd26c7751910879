"""Reads every object that state knows, and records it as it is: what is gone goes, what has changed is taken over."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from mlx_engine import urns
from mlx_engine.embedded.actions import Action
from mlx_engine.embedded.deployment import Deployment
from mlx_engine.embedded.packages import Packages
from mlx_engine.embedded.plugin import Difference, Live
from mlx_engine.host import Op
from mlx_engine.state.checkpoint import touched
from mlx_engine.state.resource import Resource
from mlx_engine.values import differing_paths


def refresh_resources(deployment: Deployment, packages: Packages) -> None:
    """Each read is a REFRESH when the object has drifted, a DELETE when it is gone, else a SAME."""
    olds = deployment.leftovers

    def look(old: Resource) -> Action:
        return deployment.attempt(old, lambda: _refreshed(old, packages))

    with ThreadPoolExecutor(deployment.parallel, "mlx-refresh") as pool:
        actions = list(pool.map(look, olds))
    deployment.adopt_refreshed(list(without_dangling(actions)))


def _refreshed(old: Resource, packages: Packages) -> Action:
    if not old.custom or urns.is_provider(old.type) or old.pending_replacement:
        return Action(Op.SAME, old, old)
    return compared(old, packages.plugin(old.provider).read(old))


def compared(old: Resource, live: Live) -> Action:
    """What a read has found, against what state says."""
    if not live.id:
        return Action(Op.DELETE, old)
    inputs = old.inputs if live.inputs is None else live.inputs
    paths = differing_paths(old.outputs, live.outputs) or differing_paths(old.inputs, inputs)
    if not paths and live.id == old.id:
        return Action(Op.SAME, old, old)
    new = touched(replace(old, id=live.id, inputs=inputs, outputs=live.outputs, init_errors=[]), created=old.created)
    return Action(Op.REFRESH, old, new, Difference(True, paths))


def without_dangling(actions: Sequence[Action]) -> Sequence[Action]:
    """The same actions, what stays freed of references to what is gone."""
    kept = {action.new.urn for action in actions if action.new}
    return [replace(action, new=_freed(action.new, kept)) if action.new else action for action in actions]


def _freed(resource: Resource, kept: set[str]) -> Resource:
    if kept.issuperset(resource.needs):
        return resource
    below = {key: [urn for urn in needed if urn in kept] for key, needed in resource.property_dependencies.items()}
    return replace(
        resource,
        parent=resource.parent if resource.parent in kept else "",
        dependencies=[urn for urn in resource.dependencies if urn in kept],
        property_dependencies=below,
        deleted_with=resource.deleted_with if resource.deleted_with in kept else "",
    )
