"""Requests to one API server: kept connections, no more than are needed at once; every answer that is no success is an error with a sentence.

A connection that breaks is opened again, as the request may be sent twice: server-side apply, reads and deletes with a
precondition come out the same; a creation finds what it has made, and knows it by the label of its owner.
"""

import http.client
import json
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode

from mlx_kubernetes.connection import Connection, log_in
from mlx_kubernetes.errors import KubernetesError, Unreachable

APPLY = "application/apply-patch+yaml"
TRIES = 4
"""How often a request is sent that the network or a busy server did not answer."""
PAUSE = 0.2
"""Seconds before the second try; doubled for each further one."""
BUSY = {429, 502, 503, 504}
FIRST = 10.0
"""Seconds for the first answer: a server that is silent then is none, and nobody waits for it as for one that is busy."""


@dataclass(frozen=True)
class Cause:
    """One of several reasons: which field, which kind of reason, in the server's words."""

    field: str
    reason: str
    message: str


@dataclass(frozen=True)
class Answer:
    """What the server said to a request that it understood."""

    code: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300

    @property
    def message(self) -> str:
        """The server's words; of one that has none, that it is not what was looked for."""
        return str(self.body.get("message") or ("" if self.ok else f"it answers HTTP {self.code}, and not as a Kubernetes API server does"))

    @property
    def details(self) -> Mapping[str, Any]:
        return self.body.get("details") or {}

    @property
    def causes(self) -> tuple[Cause, ...]:
        given = cast("list[Mapping[str, Any]]", self.details.get("causes") or [])
        return tuple(Cause(str(one.get("field") or ""), str(one.get("reason") or ""), str(one.get("message") or "")) for one in given)


@dataclass
class Client:
    """One user's requests to one cluster; safe to use from several threads."""

    connection: Connection
    limit: float = 30.0
    """Seconds for one answer."""
    _idle: list[http.client.HTTPConnection] = field(default_factory=list)
    """The one that was used last stands last, and is used next: each new one costs both ends a handshake."""
    _token: str = ""
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _answered: bool = False

    @property
    def patience(self) -> float:
        """Seconds for the next answer."""
        return self.limit if self._answered else min(self.limit, FIRST)

    def get(self, path: str, accept: str = "application/json", **query: str) -> Answer:
        return self.request("GET", path, accept=accept, query=query)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        type: str = "application/json",
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises ``Unreachable``, and ``KubernetesError`` where the server does not let this user in."""
        where = self.connection.prefix + path + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        answer = self._tried(method, where, content, {"Content-Type": type, "Accept": accept})
        if answer.code == 401 and self.connection.login:
            self._token = ""
            answer = self._tried(method, where, content, {"Content-Type": type, "Accept": accept})
        if answer.code == 401:
            context = self.connection.context
            reason = f"{self.connection.server} does not know who asks: the credentials of context {context} are wrong or have expired"
            raise KubernetesError(reason, hint="log in again, as for kubectl")
        return answer

    def _tried(self, method: str, where: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        for attempt in range(TRIES):
            try:
                answer = self._once(method, where, content, headers)
            except (OSError, http.client.HTTPException) as error:
                self._forget()
                if attempt == TRIES - 1 or not _may_pass(error):
                    raise self._unreachable(error) from error
            else:
                if answer.code not in BUSY or attempt == TRIES - 1:
                    return answer
            time.sleep(PAUSE * 2**attempt)
        raise AssertionError

    def _once(self, method: str, where: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        token = self._current_token()
        with self._connection() as connection:
            connection.request(method, where, content, {**headers, **({"Authorization": f"Bearer {token}"} if token else {})})
            response = connection.getresponse()
            text = response.read()
        if text.startswith(b"{"):
            return Answer(response.status, json.loads(text))
        if text.lstrip().startswith(b"<"):
            raise self._another(response.status)
        return Answer(response.status, {"message": text.decode(errors="replace").strip()})

    @contextmanager
    def _connection(self) -> Generator[http.client.HTTPConnection]:
        """One that nobody else uses meanwhile; closed when what it is used for fails."""
        connection = self._taken() or self._opened()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._answered, connection.timeout = True, self.limit
        if connection.sock is not None:
            connection.sock.settimeout(self.limit)
        self._idle.append(connection)

    def _taken(self) -> http.client.HTTPConnection | None:
        with self._turn:
            return self._idle.pop() if self._idle else None

    def _forget(self) -> None:
        """Where one broke while it was kept, the others have."""
        with self._turn:
            while self._idle:
                self._idle.pop().close()

    def _opened(self) -> http.client.HTTPConnection:
        at = self.connection
        if at.tls is not None:
            return http.client.HTTPSConnection(at.host, at.port, timeout=self.patience, context=at.tls)
        return http.client.HTTPConnection(at.host, at.port, timeout=self.patience)

    def _current_token(self) -> str:
        if not self.connection.login:
            return self.connection.token
        with self._turn:
            if not self._token:
                self._token = log_in(self.connection)
            return self._token

    def _another(self, code: int) -> Unreachable:
        at = self.connection
        reason = f"{at.server} (context {at.context}) answers HTTP {code} with a web page: it does not look like a Kubernetes API server"
        return Unreachable(reason, hint="does the kubeconfig name the right server and port?")

    def _unreachable(self, error: Exception) -> Unreachable:
        import ssl

        at = f"the API server {self.connection.server} (context {self.connection.context})"
        if isinstance(error, ssl.SSLCertVerificationError):
            return Unreachable(f"{at} shows a certificate that is not trusted: {error.verify_message}", hint="fetch the kubeconfig again")
        if isinstance(error, TimeoutError):
            return Unreachable(f"{at} does not answer within {self.patience:.0f} s", hint="is the cluster running, and this network the right one?")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        return Unreachable(f"{at} cannot be reached: {reason}", hint="is the cluster running, and this network the right one?")


def _may_pass(error: Exception) -> bool:
    """A server that is not there or not trusted will not be in a second; a connection that broke will be opened again."""
    return isinstance(error, (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected, http.client.IncompleteRead, http.client.CannotSendRequest))
