"""What a stack tells others."""

from collections.abc import Sequence

from mlx_engine.host import PropertyMap
from mlx_engine.state.resource import Resource
from mlx_engine.urns import STACK_TYPE
from mlx_engine.values import redacted


def outputs_of(resources: Sequence[Resource]) -> PropertyMap:
    """The outputs of its root, secrets hidden."""
    root = next((resource for resource in resources if resource.type == STACK_TYPE and not resource.delete), None)
    return redacted(root.outputs) if root else {}
