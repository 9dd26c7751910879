"""The verbs' way into the packages below: the workspace that was asked for, and one of its objects by name."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlx_cli.addressed import About, remember
from mlx_cli.boundary import UsageError
from mlx_specs.diagnostics import did_you_mean
from mlx_specs.environment import KubernetesTarget
from mlx_stacks.errors import UnknownStack, UserError
from mlx_stacks.workspace import Workspace, open_cluster, open_workspace

if TYPE_CHECKING:
    from mlx_specs.graph import Node


def opened(
    folder: Path, environment: str | None, *, cluster: str | None = None, warn: bool = False, needs_specs: bool = True, output: str = "text"
) -> Workspace:
    """The workspace at or above ``folder`` for one environment, or for one cluster; with ``warn`` its warnings are told on stderr.

    Verbs that only look, or that rescue, do not need specs without errors (``needs_specs=False``). Where a machine reads the
    ``output`` of one that does, errors in the specs are the result, as ``mlx validate -o json`` has them.
    """
    if cluster and environment:
        raise UsageError("--env and --cluster name two stacks", hint="a cluster is a stack of its own: give one of them")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder", hint="-C takes the workspace's folder")
    about = About(environment or "", cluster or "")
    remember(about)
    try:
        workspace = open_cluster(folder, cluster) if cluster else open_workspace(folder, environment, needs_specs=needs_specs)
    except UnknownStack as error:
        if environment and environment == os.environ.get("MLX_ENV"):
            raise UnknownStack(f"{error} (MLX_ENV)", hint=f"{error.hint}; --env NAME overrules the variable MLX_ENV") from error
        raise
    except UserError as error:
        if output == "json" and error.diagnostics:
            from mlx_cli.output import result_json

            result_json({"valid": False, "environment": environment, "diagnostics": [item.as_json() for item in error.diagnostics]})
        raise
    target = workspace.environment.spec.target
    remember(replace(about, on=target.cluster if isinstance(target, KubernetesTarget) else ""))
    if warn and workspace.warnings:
        from mlx_cli.output import problems_text

        print(problems_text(workspace.warnings), file=sys.stderr)
    return workspace


def refuse_on_cluster(workspace: Workspace, reason: str, *, hint: str) -> None:
    """For what works on this machine only; raises ``UserError`` for an environment on a cluster, with what to do there."""
    target = workspace.environment.spec.target
    if isinstance(target, KubernetesTarget):
        raise UserError(f"environment {workspace.name} is on a cluster: {reason}", hint=hint.format(namespace=target.namespace))


def object_named(workspace: Workspace, name: str, kinds: tuple[str, ...]) -> Node:
    """The object of one of ``kinds`` called ``name`` or ``Kind/name``; raises ``UserError`` with what there is."""
    known = {node.id: node for node in workspace.graph.objects if node.id.split("/")[0] in kinds}
    found = [node for id, node in known.items() if name in (id, id.split("/")[1])]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{name!r} is the name of {' and '.join(node.id for node in found)}", hint=f"say which: {found[0].id}")
    close = did_you_mean(name.split("/")[-1], [id.split("/")[1] for id in known])
    hint = f"there are {', '.join(known)}" if known else "declare one in specs/"
    raise UserError(f"there is no {' or '.join(kinds)} called {name!r} in environment {workspace.name}{close}", hint=hint)
