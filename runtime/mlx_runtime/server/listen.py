"""A socket that listens, and uvicorn as the server is run behind it."""

import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

    from mlx_runtime.server.app import Application

BACKLOG = 1024


class StartError(Exception):
    """Why the server does not start, in a sentence for the log."""


def bind(host: str, port: int, taken: str) -> socket.socket:
    """Port 0 is any free one; ``StartError`` with ``taken`` where somebody else listens there."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(taken if error.errno == errno.EADDRINUSE else f"port {port} of {host}: {error.strerror}") from error
    return listener


def settings(application: "Application", timeout: int) -> "uvicorn.Config":
    """When it is told to end, requests in flight get ``timeout`` seconds."""
    import uvicorn

    return uvicorn.Config(
        application, http="httptools", loop="uvloop", lifespan="on", interface="asgi3", ws="none", access_log=False, log_config=None, server_header=False,
        timeout_keep_alive=65, timeout_graceful_shutdown=timeout,
    )  # fmt: skip
