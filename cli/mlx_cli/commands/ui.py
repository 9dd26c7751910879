"""``mlx ui``: everything on one local page."""

from __future__ import annotations

from typing import Annotated

import typer

from mlx_cli.boundary import INTERRUPTED
from mlx_cli.options import HERE, Env, Folder, Format


def command(
    folder: Folder = HERE,
    env: Env = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Listen on this port of 127.0.0.1.", show_default="a free one")] = 0,
    output: Format = "text",
) -> int:
    """Show the graph with its status, versions, endpoints to try, data and updates on a page of this machine, until Ctrl-C.

    The page only reads; its form asks an endpoint as any client would. Nothing is loaded from the network.
    """
    from mlx_cli.output import note, result, result_json
    from mlx_cli.session import opened
    from mlx_cli.ui.server import HOST, Application, listen, serve

    workspace = opened(folder, env, needs_specs=False)
    listener = listen(port)
    url = f"http://{HOST}:{listener.getsockname()[1]}/"
    listener.listen()
    if output == "json":
        result_json({"url": url})
    else:
        result(url)
    note(f"environment {workspace.name}; Ctrl-C ends it")
    flush()
    serve(Application(workspace.root, workspace.name), listener)
    return INTERRUPTED


def flush() -> None:
    """Whoever started this through a pipe waits for the address."""
    import sys

    sys.stdout.flush()
