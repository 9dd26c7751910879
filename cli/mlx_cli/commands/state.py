"""``mlx state``: what Pulumi's state says of each resource, and the two corrections by hand that a person needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.groups import hand_on, verb_group
from mlx_cli.options import HERE, Env, Folder, Format, OfCluster, Yes

if TYPE_CHECKING:
    from mlx_engine.state_edits import Recorded

group = verb_group()
Name = Annotated[str, typer.Argument(metavar="RESOURCE", help="Its name or its urn, as mlx state list shows it.")]


@group.callback(invoke_without_command=True)
def state(context: typer.Context, folder: Folder = HERE, env: Env = None, cluster: OfCluster = None, output: Format = "text") -> int:
    """Show what state says of each resource; with a verb: show one, take a protection away, forget one."""
    if context.invoked_subcommand is None:
        return list_all(folder, env, cluster, output)
    return hand_on(context, folder=str(folder), env=env, cluster=cluster, output=output)


@group.command("list")
def list_all(folder: Folder = HERE, env: Env = None, cluster: OfCluster = None, output: Format = "text") -> int:
    """Show every resource in state, what is needed before what needs it."""
    from dataclasses import asdict

    from mlx_cli.output import answer, result_json
    from mlx_cli.render.plan import in_a_sentence
    from mlx_cli.session import opened
    from mlx_engine.state_edits import list_resources
    from mlx_stacks.workspace import open_host

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    resources = list_resources(open_host(workspace))
    if output == "json":
        result_json({"environment": workspace.name, "resources": [asdict(resource) for resource in resources]})
    else:
        answer(_table(resources) or f"{in_a_sentence(workspace.name)} has no state: mlx apply")
    return 0


@group.command()
def show(name: Name, folder: Folder = HERE, env: Env = None, cluster: OfCluster = None, output: Format = "text") -> int:
    """Show all that state says of one resource, as JSON; secrets are not shown."""
    from mlx_cli.output import result_json
    from mlx_cli.session import opened
    from mlx_engine.state_edits import show_resource
    from mlx_stacks.workspace import open_host

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    result_json({"environment": workspace.name, "resource": show_resource(open_host(workspace), name)})
    return 0


@group.command()
def unprotect(name: Name, folder: Folder = HERE, env: Env = None, cluster: OfCluster = None, output: Format = "text") -> int:
    """Take a resource's protection away, so that it can be deleted. Where specs protect it, the next apply protects it again."""
    from mlx_cli.session import opened
    from mlx_engine.state_edits import unprotect as take_protection
    from mlx_stacks.workspace import open_host

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    freed = take_protection(open_host(workspace), [name])
    return _tell(workspace.name, freed, f"{name} is not protected any more" if freed else f"{name} was not protected", output)


@group.command()
def forget(
    name: Name,
    dependents: Annotated[bool, typer.Option("--dependents", help="Forget what needs it, too.")] = False,
    folder: Folder = HERE,
    env: Env = None,
    cluster: OfCluster = None,
    yes: Yes = False,
    output: Format = "text",
) -> int:
    """Take a resource out of state and leave the real thing as it is. What is still declared, the next apply creates or adopts."""
    from mlx_cli.commands.apply import confirm
    from mlx_cli.session import opened
    from mlx_engine.state_edits import forget as forget_in_state
    from mlx_engine.state_edits import show_resource
    from mlx_stacks.workspace import open_host

    workspace = opened(folder, env, cluster=cluster, needs_specs=False)
    host = open_host(workspace)
    urn = show_resource(host, name)["urn"]
    confirm(f"Forget {urn}? What it stands for stays, and is not managed any more.", yes=yes)
    gone = forget_in_state(host, [urn], dependents=dependents)
    return _tell(workspace.name, gone, "\n".join(f"forgot {urn}" for urn in gone), output)


def _tell(environment: str, changed: list[str], message: str, output: str) -> int:
    from mlx_cli.output import result, result_json

    result_json({"environment": environment, "changed": changed}) if output == "json" else result(message)
    return 0


def _table(resources: list[Recorded]) -> str:
    from mlx_cli.output import columns

    rows = [(item.name, item.type, item.id or "-", ", ".join(filter(None, ("protected" if item.protected else "", item.note)))) for item in resources]
    return columns(rows, header=("NAME", "TYPE", "ID", "")) if rows else ""
