"""Why the resources of an object change although nobody changed it, nor anything that it refers to.

Enters: an object's steps, and the ids of the objects that change. Leaves: reasons in words.
"""

from collections.abc import Iterator, Set

from mlx_engine.host import Op, Step
from mlx_stacks.changes import ObjectSteps
from mlx_stacks.effects import top_level
from mlx_stacks.kubernetes_effects import kind_of

GONE = "metadata.uid"
"""What differs in an object that was made before and is not there."""
ENVIRONMENT = "Environment/"


def outside_causes(steps: ObjectSteps, changed: Set[str]) -> list[str]:
    """At least one."""
    waited = steps.component.old_inputs.get("waitsFor")
    if waited and not steps.component.new_inputs.get("waitsFor"):
        return [f"{waited} is there now"]
    ops = {step.op for step in steps.children}
    if ops >= {Op.CREATE, Op.DELETE}:  # named by what runs: something of it is told by the environment
        follows = [f"follows {id}" for id in sorted(changed) if id.startswith(ENVIRONMENT)]
        return follows or ["what it runs is another"]
    if Op.CREATE in ops:
        return ["it is not there"]
    return [cause for step in steps.children for cause in _causes(step)]


def _causes(step: Step) -> Iterator[str]:
    if not step.type.startswith("kubernetes:") or step.old_inputs != step.new_inputs:
        yield from (f"its {name} changed" for name in sorted(top_level(step)))
    elif GONE in step.changed:
        yield f"its {kind_of(step)} {step.name.rpartition('/')[2]} is gone"
    else:
        yield from (f"{path} of its {kind_of(step)} differs in the cluster" for path in step.changed)
