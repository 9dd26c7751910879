"""What a plan says besides its changes: things that an apply would leave as they are, and that a person should know of."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlx_engine.host import Op, Step
from mlx_specs.environment import Environment
from mlx_stacks.changes import id_of_urn
from mlx_stacks.effects import DELETES, top_level
from mlx_stacks.workspace import Workspace


def notes(workspace: Workspace, steps: Sequence[Step]) -> tuple[str, ...]:
    """Sentences, in the order of the steps they speak of."""
    unreleased = workspace.released.unreleased if workspace.released is not None else ()
    return (*_without_specs(workspace, steps), *map(str, unreleased), *(held_back(step) for step in steps if _stays_held_back(step)))


def held_back(step: Step) -> str:
    """``Model/delay: version 2 stays a challenger: roc_auc 0.71 is below 0.75; version 1 stays champion``, from a Champion's verdict."""
    verdict = step.new_outputs or step.old_outputs
    current = _version(verdict, "current")
    standing = f"version {current} stays champion" if current else "there is no champion yet"
    reasons = "; ".join(str(reason) for reason in verdict.get("reasons", ()))
    return f"{id_of_urn(step.urn)}: version {_version(verdict, 'candidate') or '?'} stays a challenger: {reasons}; {standing}"


def _stays_held_back(step: Step) -> bool:
    """A verdict that this plan leaves as it is; where the gates are judged again, that is a change of its own."""
    judged = step.type == "mlx:index:Champion" and step.op not in DELETES and step.old_outputs.get("passed") is False
    return judged and (step.op is Op.SAME or top_level(step) <= {"about"})


def _version(verdict: Mapping[str, Any], which: str) -> str:
    version: Mapping[str, Any] = verdict.get(which) or {}
    return str(version.get("version", ""))


def _without_specs(workspace: Workspace, steps: Sequence[Step]) -> tuple[str, ...]:
    if any(not isinstance(node.object, Environment) for node in workspace.graph.objects):
        return ()
    if any(step.op in DELETES for step in steps):
        return (f"no specs in specs/ for environment {workspace.name}: all that was applied is removed",)
    return (no_specs(workspace.name),)


def nothing_there(workspace: Workspace) -> str:
    """Why an environment has no object, neither declared nor applied."""
    broken = any(problem.severity == "error" for problem in workspace.warnings)
    return "nothing is applied yet, and no spec is without problems: mlx validate" if broken else no_specs(workspace.name)


def no_specs(environment: str) -> str:
    """What is said where nothing is declared and nothing was applied."""
    start = "write some (mlx schema Dataset shows the fields), or look at an example: mlx init NEW-FOLDER --template flights"
    return f"no specs in specs/ for environment {environment}: nothing to do; {start}"
