"""A server on this machine that plays a project's host, so that downloads need no network."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from mlx_components.clusters.add_ons import Opener


@dataclass
class Server:
    """Answers with what stands under the path's last part, and remembers what it was asked."""

    port: int
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def opener(self) -> Opener:
        """Asks this server instead of the URL's own."""
        return lambda url: urlopen(f"http://127.0.0.1:{self.port}{urlsplit(url).path}", timeout=5)


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Server]:
    """A server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path.rpartition("/")[2])
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        served = Server(http.server_port, dict(files))
        thread = Thread(target=partial(http.serve_forever, 0.01), daemon=True)
        thread.start()
        yield served
        http.shutdown()
        thread.join()
