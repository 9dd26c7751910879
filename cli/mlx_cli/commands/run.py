"""``mlx run``: a batch inference, now. It is an apply with a recorded trigger: there is no second path to a change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mlx_cli.commands.apply import LockTimeout, carry_out, plan_and_ask
from mlx_cli.options import HERE, Env, Folder, Format, Yes
from mlx_cli.unread import going_on_unread

if TYPE_CHECKING:
    from mlx_specs.inference import Inference
    from mlx_stacks.plan import Plan


@going_on_unread()
def command(
    name: Annotated[str, typer.Argument(help="The batch Inference to run.")],
    folder: Folder = HERE,
    env: Env = None,
    yes: Yes = False,
    lock_timeout: LockTimeout = 600,
    output: Format = "text",
) -> int:
    """Run a batch inference now, with the champion and the data of this moment.

    This is an apply: what else has changed in the specs is shown and asked for first.
    """
    from mlx_cli.session import object_named, opened, refuse_on_cluster
    from mlx_specs.inference import Inference
    from mlx_stacks.errors import UserError

    workspace = opened(folder, env, output=output)
    node = object_named(workspace, name, ("Inference",))
    if not isinstance(node.object, Inference) or node.object.spec.mode != "batch":
        stream = isinstance(node.object, Inference) and node.object.spec.mode == "stream"
        hint = "a stream scores what comes, from mlx apply on" if stream else f"ask it for predictions: mlx predict {node.id.split('/')[1]} --data FILE"
        raise UserError(f"{node.id} is not a batch inference", hint=hint)
    refuse_on_cluster(workspace, "a batch runs there by its schedule, and where its model or its data are new", hint=again(node.object))
    run = {node.id: datetime.now(UTC).isoformat(timespec="seconds")}

    def ask() -> Plan:
        return plan_and_ask(workspace, yes=yes, run=run)

    return carry_out(workspace, ask(), ask, message=f"mlx run {name}", lock_timeout=lock_timeout, output=output)


def again(inference: Inference) -> str:
    """How to run it on a cluster, in its ``{namespace}``."""
    settings, name = inference.spec.batch, inference.metadata.name
    if settings is None or settings.schedule is None:
        return "mlx apply runs it once there is something new"
    return f"kubectl create job {name}-now --from=cronjob/batch-{name} --namespace {{namespace}} runs what the schedule would"
