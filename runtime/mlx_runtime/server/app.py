"""The server's one ASGI callable: which path asks what, and that every request gets an answer in time.

Predictions run in threads, so that health and metrics answer while a large request is scored or the online store is held by
a writer; only small requests to a quick model that looks nothing up run on the event loop. Knows nothing of processes or ports.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pydantic import ValidationError

from mlx_runtime.artifact import ArtifactError
from mlx_runtime.engines import EngineError, Outputs
from mlx_runtime.features import CodeError, FunctionFailed, StoreUnavailable, utc_now
from mlx_runtime.server import describe, freshness, v1, v2
from mlx_runtime.server.accepted import Completed, complete
from mlx_runtime.server.config import EndpointConfig
from mlx_runtime.server.counters import Counters, LogCounters
from mlx_runtime.server.held import Held, Snapshot, load_snapshot
from mlx_runtime.server.http import Answer, HttpError, Receive, Scope, Send, error_answer, json_answer, read_body, send_answer
from mlx_runtime.server.prediction_log import PredictionLog, log_storage
from mlx_runtime.server.scored import Scored, scored
from mlx_runtime.signature import ScoreError

SMALL_BODY = 16 << 10
"""Bytes; a larger body is decoded and scored in a thread whatever the model."""
WORKERS = 4
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REFUSED = (HttpError, ScoreError, StoreUnavailable, FunctionFailed, MemoryError, TimeoutError)

logger = logging.getLogger("mlx.server")
Infer = Callable[[Held, EndpointConfig, bytes, Mapping[str, str]], Answer]
Record = Callable[[EndpointConfig], None]


class Application:
    """One endpoint. ``record`` keeps a switched configuration, so that a restart serves the same."""

    def __init__(self, snapshot: Snapshot, record: Record) -> None:
        self.snapshot = snapshot
        self._record = record
        self._counters = Counters()
        self._log: PredictionLog | None = None
        self._switching = asyncio.Lock()
        self._workers = ThreadPoolExecutor(WORKERS, "score")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        infer = self._inference(scope["path"])
        if infer:
            answer = await self._guarded(self._infer(infer, scope, headers, receive), self.snapshot.config.timeout)
            self._counters.record(answer.version, answer.status, answer.rows, time.perf_counter() - started)
            if answer.joined and answer.joined.views:
                self._counters.features.record(answer.joined.views, answer.joined.seconds)
            if self._log:
                self._log.offer(answer.scored) if answer.scored else self._log.lack(answer.rows)
        else:
            answer = await self._guarded(self._other(scope, headers, receive), None)
        await send_answer(answer, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Its end comes after the requests in flight: what waits for the log is written then."""
        await receive()
        await self._log_into(self.snapshot.config)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._log:
            await asyncio.to_thread(self._log.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _log_into(self, config: EndpointConfig) -> None:
        """What an old log still holds is written where it belongs."""
        old, self._log = self._log, None
        if config.log:
            self._counters.log = self._counters.log or LogCounters()
            self._log = PredictionLog(lambda: log_storage(config), self._counters.log)
        if old:
            await asyncio.to_thread(old.close)

    async def _guarded(self, work: Awaitable[Answer], timeout: float | None) -> Answer:
        """An answer within the timeout, whatever happens."""
        try:
            async with asyncio.timeout(timeout):
                return await work
        except REFUSED as error:
            return _refusal(error, self.snapshot.config)
        except Exception:  # broad: the model and its transformers are the user's; one request that they cannot answer ends no server
            logger.exception("a request failed")
            return error_answer(500, "the model failed on these rows; see mlx logs")

    def _inference(self, path: str) -> tuple[Infer, str | None] | None:
        """How to infer and which version was named, if the path asks for predictions of this endpoint."""
        name = self.snapshot.config.name
        if path == f"/v2/models/{name}/infer":
            return _infer_v2, None
        if path == f"/v1/models/{name}:predict":
            return _infer_v1, None
        if path.startswith(f"/v2/models/{name}/versions/") and path.endswith("/infer"):
            return _infer_v2, path.split("/")[5]
        return None

    async def _infer(self, asked: tuple[Infer, str | None], scope: Scope, headers: Mapping[str, str], receive: Receive) -> Answer:
        infer, version = asked
        if scope["method"] != "POST":
            raise HttpError(405, f"{scope['path']} takes POST")
        body = await read_body(headers, receive)
        held = self._held(version)
        config = self.snapshot.config
        try:
            if held.quick and len(body) <= SMALL_BODY and not held.looks_up:
                return infer(held, config, body, headers)
            return await asyncio.get_running_loop().run_in_executor(self._workers, infer, held, config, body, headers)
        except REFUSED as error:
            return _refusal(error, config, held.version.version)

    def _held(self, version: str | None) -> Held:
        snapshot = self.snapshot
        held = snapshot.current if version is None else snapshot.versions.get(version)
        if held is not None:
            return held
        if not snapshot.versions:
            raise HttpError(503, describe.unready(snapshot, None))
        raise HttpError(404, f"version '{version}' is not held here: {', '.join(sorted(snapshot.versions))}")

    async def _other(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path.startswith("/admin/"):
            return await self._admin(path, method, headers, receive)
        config = self.snapshot.config
        metrics = Answer(200, self._counters.render(config.name, config.current), METRICS_TYPE) if path == "/metrics" else None
        # In a thread: whether a store outside of this machine answers can take seconds.
        answer = metrics or await asyncio.to_thread(describe.answer, path, self.snapshot)
        if method not in ("GET", "HEAD"):
            raise HttpError(405, f"{path} takes GET")
        return answer

    async def _admin(self, path: str, method: str, headers: Mapping[str, str], receive: Receive) -> Answer:
        """For the process that has the token of endpoint.json."""
        token = self.snapshot.config.token
        if not token or not hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            raise HttpError(403, "only mlx itself switches versions: run mlx apply")
        if (path, method) == ("/admin/identity", "GET"):
            return json_answer(self._identity())
        if (path, method) == ("/admin/versions", "POST"):
            return await self._switch(await read_body(headers, receive))
        raise HttpError(404, f"{method} {path} is not known")

    def _identity(self) -> dict[str, object]:
        config = self.snapshot.config
        return {"name": config.name, "pid": os.getpid(), "current": config.current, "versions": [version.wire() for version in config.versions]}

    async def _switch(self, body: bytes) -> Answer:
        """Loads beside what is served, then puts the new snapshot in its place between two requests."""
        try:
            config = EndpointConfig.model_validate_json(body)
        except ValidationError as error:
            raise HttpError(400, f"not an endpoint configuration: {error.error_count()} errors") from error
        async with self._switching:
            try:
                # A thread of its own: the workers may all be busy with requests.
                snapshot = await asyncio.to_thread(load_snapshot, config, self.snapshot)
            except (ArtifactError, EngineError, CodeError, MemoryError) as error:
                logger.error("switch refused: %s", error)
                raise HttpError(409, str(error) or f"not enough memory for another version (limit {config.memory})") from error
            self._record(config)
            before, self.snapshot = self.snapshot.config, snapshot
            self._counters.switches += 1
            if config.log != before.log:
                await self._log_into(config)
        logger.info("serving %s", describe.serving(snapshot))
        return json_answer(self._identity())


def _infer_v2(held: Held, config: EndpointConfig, body: bytes, headers: Mapping[str, str]) -> Answer:
    request = v2.decode(body, headers.get(v2.BINARY_HEADER), held.accepted, config.max_rows)
    moment, completed = time.time_ns() // 1000, complete(held.accepted, request.carried, request.rows, utc_now())
    outputs = held.scorer.score_columns(completed.columns, request.rows)
    besides = freshness.outputs([name for name, _ in request.wanted if name not in outputs], completed, request.rows)
    encoded, header_length = v2.encode(config.name, held.version.version, held.accepted, request, {**outputs, **besides}, freshness.parameters(completed.views))
    kept = _kept(held, config, request, completed, outputs, len(body), moment)
    answer = Answer(200, encoded, version=held.version.version, rows=request.rows, joined=completed, scored=kept)
    return answer if header_length is None else replace(answer, content_type="application/octet-stream", headers={v2.BINARY_HEADER: str(header_length)})


def _infer_v1(held: Held, config: EndpointConfig, body: bytes, headers: Mapping[str, str]) -> Answer:
    request = v1.decode(body, held.accepted, config.max_rows)
    moment, completed = time.time_ns() // 1000, complete(held.accepted, request.carried, request.rows, utc_now())
    outputs = held.scorer.score_columns(completed.columns, request.rows)
    encoded = v1.encode(held.version.version, outputs, freshness.parameters(completed.views))
    kept = _kept(held, config, request, completed, outputs, len(body), moment)
    return Answer(200, encoded, version=held.version.version, rows=request.rows, joined=completed, scored=kept)


def _kept(held: Held, config: EndpointConfig, request: v2.Request, completed: Completed, outputs: Outputs, body: int, moment: int) -> Scored | None:
    """For the log, where there is one."""
    if not config.log:
        return None
    try:
        return scored(moment, held.version, held.layout, completed.columns, outputs, request.rows, body, request.id)
    except (ValueError, TypeError, BufferError):  # what no signature allows, and the answer could say
        return None


def _refusal(error: BaseException, config: EndpointConfig, version: str = "") -> Answer:
    match error:
        case HttpError():
            return error_answer(error.status, str(error), version=version)
        case v2.TooManyRows():
            return error_answer(413, str(error), version=version)
        case ScoreError():
            return error_answer(400, str(error), version=version)
        case StoreUnavailable():
            return error_answer(503, str(error), version=version)
        case FunctionFailed():
            return error_answer(500, str(error), version=version)
        case MemoryError():
            return error_answer(503, f"not enough memory for this request (limit {config.memory}): send fewer rows", version=version)
        case _:
            return error_answer(504, f"no answer within {config.timeout} s", version=version)
