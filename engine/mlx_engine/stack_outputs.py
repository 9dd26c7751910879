"""What another stack has exported, read from its state; both hosts write the same."""

from typing import Any

from mlx_engine.host import Stack
from mlx_engine.state.checkpoint import load_deployment, salt_of, snapshot_of
from mlx_engine.state.secrets import Secrets
from mlx_engine.urns import STACK_TYPE
from mlx_engine.values import Values


def stack_outputs(stack: Stack) -> Values | None:
    """The outputs by name; None where nothing was ever applied there."""
    deployment: dict[str, Any] | None = load_deployment(stack)
    if not deployment:
        return None
    snapshot = snapshot_of(deployment, Secrets(stack.passphrase, salt_of(deployment)))
    roots = [resource.outputs for resource in snapshot.resources if resource.type == STACK_TYPE]
    return roots[0] if roots else None
