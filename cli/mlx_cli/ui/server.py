"""The page's server: it reads, and hands a filled form to the endpoint that it is for; nothing else is changed by it.

Listens on 127.0.0.1 and answers only requests that name it: a page of another site cannot reach it by a name of its own.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlx_cli.addressed import addressed
from mlx_runtime.server.http import Answer, HttpError, Receive, Scope, Send, error_answer, json_answer, read_body, send_answer

HOST = "127.0.0.1"
FRESH = 1.5
"""Seconds for which what was read last is good enough: several open pages cost one look."""
PATIENCE = 60.0
HERE = Path(__file__).parent
STYLES = (HERE.parent / "render" / "page.css", HERE / "ui.css")
POLICY = "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
OFFLINE = "default-src 'none'; style-src 'unsafe-inline'"
SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Application:
    """ASGI: the page, what it shows, and the form's way to an endpoint."""

    def __init__(self, root: Path, environment: str | None) -> None:
        self.root = root
        self.environment = environment
        self._seen: tuple[float, dict[str, Any]] = (0.0, {})
        self._looking = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            refuse_strangers(headers)
            body = await read_body(headers, receive)
            answer = await self._answer(scope["method"], scope["path"], body, headers)
        except HttpError as error:
            answer = error_answer(error.status, str(error))
        await send_answer(answer, send)

    async def _answer(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, parts:
            case "GET", [""]:
                return page()
            case "GET", ["api", "snapshot"]:
                return json_answer(await self._snapshot())
            case "GET", ["api", "why", kind, name]:
                return await asyncio.to_thread(self._why, f"{kind}/{name}")
            case "GET", ["api", "endpoint", name]:
                return await asyncio.to_thread(forward, await self._url(name), "GET", f"/v2/models/{name}", None)
            case "POST", ["api", "endpoint", name]:
                if headers.get("content-type", "").split(";")[0] != "application/json":
                    raise HttpError(415, "send application/json")
                return await asyncio.to_thread(forward, await self._url(name), "POST", f"/v2/models/{name}/infer", body)
            case "GET", ["profile", name]:
                return await asyncio.to_thread(self._profile, name)
            case _:
                raise HttpError(404, f"no such page: {path}")

    async def _snapshot(self) -> dict[str, Any]:
        from mlx_cli.ui.snapshot import snapshot

        async with self._looking:
            if time.monotonic() - self._seen[0] > FRESH or not self._seen[1]:
                found = await asyncio.to_thread(snapshot, self.root, self.environment)
                self._seen = (time.monotonic(), found)
        return self._seen[1]

    async def _url(self, name: str) -> str:
        known = (await self._snapshot()).get("endpoints", ())
        url = next((one["url"] for one in known if one["name"] == name), None)
        if url is None:
            raise HttpError(404, f"there is no endpoint called {name!r}")
        if not url:
            raise HttpError(503, addressed(f"{name} has not been applied: mlx why {name}"))
        return url

    def _why(self, id: str) -> Answer:
        """By a process of its own: a plan may only be made in the main thread."""
        environment = ["--env", self.environment] if self.environment else []
        command = [sys.executable, "-m", "mlx_cli", "why", "-C", str(self.root), "-o", "json", *environment, "--", id]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise HttpError(500, done.stderr.strip() or "mlx why failed")
        return json_answer(json.loads(done.stdout))

    def _profile(self, name: str) -> Answer:
        from mlx_cli.commands.profile import prepared_folder
        from mlx_cli.render.profile import profile_page
        from mlx_cli.session import opened
        from mlx_runtime.profile import ProfileError, profile
        from mlx_stacks.errors import UserError

        try:
            workspace = opened(self.root, self.environment, needs_specs=False)
            made = profile(prepared_folder(workspace, f"Dataset/{name}"))
        except (UserError, ProfileError) as error:
            raise HttpError(404, f"{error}; {error.hint}") from error
        return html(profile_page(made), OFFLINE)


def serve(application: Application, listener: socket.socket) -> None:
    """Until it is interrupted."""
    import uvicorn

    settings = uvicorn.Config(application, lifespan="off", interface="asgi3", ws="none", access_log=False, log_level="warning", server_header=False)
    uvicorn.Server(settings).run(sockets=[listener])


def listen(port: int) -> socket.socket:
    """A free port for 0; raises ``UsageError`` where the port is taken."""
    from mlx_cli.boundary import UsageError

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise UsageError(f"port {port} of {HOST}: {error.strerror}", hint="leave out --port, or take another") from error
    return listener


def refuse_strangers(headers: Mapping[str, str]) -> None:
    """A name that leads here from elsewhere (DNS rebinding), or a form of another site, is not answered."""
    host = headers.get("host", "")
    if host.rsplit(":", 1)[0] not in (HOST, "localhost"):
        raise HttpError(403, f"this is {HOST}, not {host}")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise HttpError(403, f"a page of {origin} has no business here")


def page() -> Answer:
    """Everything that the page needs is within it."""
    nonce = secrets.token_urlsafe(16)
    style = "\n".join(path.read_text() for path in STYLES)
    text = (HERE / "page.html").read_text().replace("/* style */", style).replace("/* module */", (HERE / "page.js").read_text()).replace("{nonce}", nonce)
    return html(text, POLICY.format(nonce=nonce))


def html(text: str, policy: str) -> Answer:
    """A page that may do only what its policy says."""
    return Answer(200, text.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": policy, **SAFE})


def forward(url: str, method: str, path: str, body: bytes | None) -> Answer:
    """The endpoint's own answer, whatever it is."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise HttpError(502, f"the endpoint does not answer: {error}") from error
    finally:
        connection.close()
