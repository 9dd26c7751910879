"""``mlx refresh``: looks at what there really is."""

from typing import Annotated

import typer

from mlx_cli.boundary import DONE, DRIFT
from mlx_cli.options import HERE, Env, Folder, Format, OfCluster
from mlx_cli.unread import going_on_unread


@going_on_unread()
def command(
    folder: Folder = HERE,
    env: Env = None,
    cluster: OfCluster = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only look: do not record what was found.")] = False,
    output: Format = "text",
) -> int:
    """Compare what was applied with what is there now, and record it, so that the next plan shows how to put it back.

    Exits 4 when something drifted.
    """
    from dataclasses import asdict

    from mlx_cli.output import answer, answer_json
    from mlx_cli.progress import quiet
    from mlx_cli.render.outcome import render_drift
    from mlx_cli.session import opened
    from mlx_engine.state_edits import list_resources
    from mlx_stacks.apply import refresh
    from mlx_stacks.workspace import open_host

    workspace = opened(folder, env, cluster=cluster, output=output)
    drifted = refresh(workspace, quiet, preview_only=preview)
    if output == "json":
        answer_json({"environment": workspace.name, "drift": [asdict(item) for item in drifted]})
    else:
        answer(render_drift(drifted, applied=bool(drifted or list_resources(open_host(workspace)))))
    return DRIFT if drifted else DONE
