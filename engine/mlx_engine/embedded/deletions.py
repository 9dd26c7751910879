"""In what order things go: what nothing else needs goes first, and what is independent goes together."""

from collections import defaultdict
from collections.abc import Sequence

from mlx_engine.state.resource import Resource


def delete_batches(condemned: Sequence[Resource], everything: Sequence[Resource]) -> list[list[Resource]]:
    """``condemned`` in batches: all of one batch may go at once, and each batch before the next.

    ``everything`` is the whole state, in its order, in which what is needed stands before what needs it. What goes keeps
    the distance that it has through resources that stay.
    """
    depth: dict[str, int] = defaultdict(int)
    """urn -> how many condemned resources stand one upon another down to it."""
    doomed = {id(resource) for resource in condemned}
    batches: dict[int, list[Resource]] = defaultdict(list)
    for resource in everything:
        own = max((depth[needed] for needed in resource.needs), default=0) + (id(resource) in doomed)
        depth[resource.urn] = max(depth[resource.urn], own)
        if id(resource) in doomed:
            batches[own].append(resource)
    return [batches[level] for level in sorted(batches, reverse=True)]
