"""A network that fails where a test wants it to: a TCP proxy that looks at each request and cuts, holds or refuses it."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    BEFORE = "cut before the body"
    DURING = "cut within the body"
    AFTER = "cut after the body"
    LOST = "the answer is lost"
    STALL = "half of the body arrives, then nothing"


@dataclass(frozen=True)
class Request:
    verb: str
    path: str

    @property
    def is_checkpoint(self) -> bool:
        """Whether it writes a stack's checkpoint, in the words of any of the three."""
        return self.verb in ("PUT", "POST") and bool(re.search(r"stacks(/|%2F)project(/|%2F)dev\.json(\?|&|$)", self.path))


Choose = Callable[[Request], Fault | None]


@dataclass
class Proxy:
    """Stands before ``target``; ``choose`` says for each request what becomes of it."""

    target: int
    choose: Choose = lambda _request: None
    rewrite: Callable[[str], str] = lambda head: head
    """The head of a request as the server gets it."""
    refuses: bool = False
    """Nothing answers any more."""
    port: int = 0
    seen: list[Request] = field(default_factory=list[Request])
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def handle(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self.refuses:
                return
            head, body = _read_head(client)
            verb, path = head.split(" ", 2)[:2]
            request = Request(verb, path)
            self.seen.append(request)
            self._pass(client, head, body, self.choose(request))

    def _pass(self, client: socket.socket, head: str, body: bytes, fault: Fault | None) -> None:
        length = int((re.search(r"(?im)^content-length: *(\d+)", head) or [0, "0"])[1])
        if fault is Fault.BEFORE:
            return
        if re.search(r"(?im)^expect: *100-continue", head):
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < length:
            body += client.recv(65536)
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            server.sendall(_once(self.rewrite(head)))
            if fault in (Fault.DURING, Fault.STALL):
                self._half(server, body, fault)
                return
            server.sendall(body)
            answer = b"" if fault is Fault.AFTER else b"".join(iter(lambda: server.recv(65536), b""))
        if fault is None:
            client.sendall(answer)

    def _half(self, server: socket.socket, body: bytes, fault: Fault) -> None:
        server.sendall(body[: len(body) // 2])
        if fault is Fault.STALL:
            self.stalled.set()
            self.released.wait(60)


@contextmanager
def proxy_to(target: int) -> Iterator[Proxy]:
    proxy = Proxy(target)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.port = int(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, proxy), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.released.set()


def _accept(listener: socket.socket, proxy: Proxy) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # the test is over
            return
        threading.Thread(target=proxy.handle, args=(client,), daemon=True).start()


def _read_head(client: socket.socket) -> tuple[str, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        more = client.recv(65536)
        if not more:
            raise ConnectionError("no request came")
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body


def _once(head: str) -> bytes:
    """One request a connection, and no question whether to send the body: the proxy need not understand more of HTTP."""
    kept = re.sub(r"(?im)^(connection|expect):.*\r?\n?", "", head).rstrip("\r\n")
    return f"{kept}\r\nConnection: close\r\n\r\n".encode("latin-1")
