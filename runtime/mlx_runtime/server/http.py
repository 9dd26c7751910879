"""The little HTTP that the application needs: a request's parts, an answer, reading a body up to a limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from mlx_runtime.server.accepted import Completed
from mlx_runtime.server.scored import Scored

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 64 << 20
"""Bytes of one request's body."""


class HttpError(Exception):
    """Answered as ``{"error": message}`` with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """A status, a body and what goes into the headers; ``version``, ``rows`` and ``joined`` are counted, ``scored`` is logged."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    rows: int = 0
    joined: Completed | None = None
    scored: Scored | None = None


def json_answer(value: Any, status: int = 200, *, version: str = "") -> Answer:
    """A JSON answer."""
    return Answer(status, orjson.dumps(value), version=version)


def error_answer(status: int, message: str, *, version: str = "") -> Answer:
    """What every refusal looks like."""
    return json_answer({"error": message}, status, version=version)


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body; 413 as soon as it is known to be too long."""
    if int(headers.get("content-length", "0") or 0) > MAX_BODY:
        raise HttpError(413, f"the body has more than {MAX_BODY} bytes")
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise HttpError(413, f"the body has more than {MAX_BODY} bytes")
        if message["type"] == "http.disconnect":
            raise HttpError(400, "the client went away before its request was whole")
    return body


async def send_answer(answer: Answer, send: Send) -> None:
    """Status, headers, body."""
    headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
    if answer.version:
        headers.append((b"x-mlx-model-version", answer.version.encode()))
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
