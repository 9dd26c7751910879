"""State in a bucket: waits for what passes, says it, and turns what a store answers into a sentence and a way out.

A store does one thing at a time and raises what its client raises. A write whose answer was lost is not a conflict: what stands
there is then what was written.
"""

import importlib
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mlx_engine.host import EngineError
from mlx_engine.state.blobs import Blob, Conflict, Say
from mlx_engine.state.buckets.place import Place, parse_place

PATIENCE = 60.0
"""Seconds for which a store that answered before is waited for."""
FIRST_PATIENCE = 3.0
"""The same for one that never answered: its address may be wrong."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 8.0

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a store said instead of doing what it was asked."""

    status: int | None
    """As HTTP counts; None when the network failed, 401 when there was nothing to sign a request with."""
    code: str
    text: str


class Store(Protocol):
    """One kind of bucket. Its keys carry the prefix; a condition that does not hold is ``Conflict``."""

    def read(self, key: str) -> Blob | None: ...
    def write(self, key: str, data: bytes, expected: str | None) -> str: ...
    def remove(self, key: str, expected: str | None) -> None: ...
    def keys(self, folder: str) -> list[str]: ...

    def answer(self, error: Exception) -> Answer | None:
        """What an exception says; None for one that is not the store's."""
        ...


@dataclass(frozen=True)
class Kind:
    module: str
    extra: str
    package: str
    credentials: str
    bucket: str = "bucket"


KINDS = {
    "s3": Kind("mlx_engine.state.buckets.s3", "s3", "s3fs", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"),
    "azblob": Kind("mlx_engine.state.buckets.azblob", "azblob", "adlfs", "set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or run `az login`", "container"),
    "gs": Kind("mlx_engine.state.buckets.gs", "gs", "google-auth", "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`"),
}
_OPEN: dict[str, "RemoteBlobs"] = {}
"""By URL: a client is expensive to make and cheap to keep."""


def open_remote(url: str, patience: float = PATIENCE) -> "RemoteBlobs":
    """The first who opens a bucket says how patient all are."""
    if url not in _OPEN:
        place = parse_place(url)
        _OPEN[url] = RemoteBlobs(_store(place), place, patience=patience)
    return _OPEN[url]


@dataclass
class Reach:
    """Whether the store answered, as all who share it know."""

    answered: bool = False
    lost: bool = False


@dataclass(frozen=True)
class RemoteBlobs:
    """Fulfils ``Blobs``."""

    store: Store
    place: Place
    say: Say = lambda _message: None
    patience: float = PATIENCE
    reach: Reach = field(default_factory=Reach)

    shared = True

    def telling(self, say: Say) -> "RemoteBlobs":
        return RemoteBlobs(self.store, self.place, say, self.patience, self.reach)

    def where(self, key: str) -> str:
        return f"{self.place.scheme}://{self.place.bucket}/{self.place.prefix}{key}"

    def read(self, key: str) -> Blob | None:
        return self._steadily("read", key, lambda: self.store.read(self.place.prefix + key))

    def write(self, key: str, data: bytes, expected: str | None = None) -> str:
        try:
            return self._steadily("written", key, lambda: self.store.write(self.place.prefix + key, data, expected))
        except Conflict:
            found = self.read(key)
            if found and found.data == data:
                return found.version  # ours: the answer to it was lost
            raise

    def remove(self, key: str, expected: str | None = None) -> None:
        if expected is not None:
            found = self.read(key)  # some stores keep no condition of a removal
            if found is None:
                return
            if found.version != expected:
                raise Conflict(key)
        self._steadily("removed", key, lambda: self.store.remove(self.place.prefix + key, expected))

    def keys(self, folder: str, suffix: str) -> list[str]:
        found = self._steadily("listed", folder, lambda: self.store.keys(f"{self.place.prefix}{folder}/"))
        return sorted(key.removeprefix(self.place.prefix) for key in found if key.endswith(suffix))

    def _steadily(self, done: str, key: str, call: Callable[[], T]) -> T:
        """The call's result; one that fails for a reason that passes is made again, after ever longer pauses.

        Patience begins with the first failure: before it, the store's client may have had to be imported.
        """
        deadline, pause = None, FIRST_PAUSE
        while True:
            try:
                result = call()
            except Conflict:
                raise
            except Exception as error:
                answer = self.store.answer(error)
                if answer is None:
                    raise
                deadline = time.monotonic() + self._patience() if deadline is None else deadline
                if not _passes(answer) or time.monotonic() + pause > deadline:
                    raise self._refusal(answer, done, key) from error
                self.say(f"{self.where(key)} could not be {done} ({answer.text}): trying again in {pause:.1f} s")
                time.sleep(pause * (0.75 + random.random() / 2))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self.reach.answered, self.reach.lost = True, False
                return result

    def _patience(self) -> float:
        if self.reach.lost:
            return 0.0  # it was waited for before
        return self.patience if self.reach.answered else min(self.patience, FIRST_PATIENCE)

    def _refusal(self, answer: Answer, done: str, key: str) -> EngineError:
        kind = KINDS[self.place.scheme]
        said = f"{answer.code}: {answer.text}" if answer.code else answer.text
        match answer.status:
            case 401:
                return EngineError(f"{self.place}: no credentials that it takes ({said})", hint=kind.credentials)
            case 403:
                return EngineError(f"{self.place}: no permission ({said})", hint="the credentials need to list, read, write and delete below it")
            case 404:
                return EngineError(f"{self.place}: there is no such {kind.bucket}", hint=f"create the {kind.bucket}, or mend state.backend")
            case _ if _passes(answer):
                self.reach.lost = True
                again = "run it again to go on" if self.reach.answered else "check the network and the address in state.backend"
                return EngineError(f"{self.where(key)} could not be {done}: {said}", hint=again)
            case _:
                return EngineError(f"{self.where(key)} could not be {done}: {said}")


def run_on(loop: Any, call: Callable[..., Coroutine[Any, Any, T]], *args: Any, **arguments: Any) -> T:
    """The result of a coroutine on the loop that fsspec keeps for its clients."""
    asyn = importlib.import_module("fsspec.asyn")
    return asyn.sync(loop, call, *args, **arguments)


def first_line(error: Exception) -> str:
    """Of what may be many."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _passes(answer: Answer) -> bool:
    return answer.status is None or answer.status in (408, 409, 429) or answer.status >= 500


def _store(place: Place) -> Store:
    kind = KINDS[place.scheme]
    try:
        return importlib.import_module(kind.module).open_store(place)
    except ImportError as error:
        raise EngineError(
            f"{place}: state in {place.scheme}:// needs the package {kind.package}",
            hint=f"pip install 'mlx-iac[{kind.extra}]' (in the repository: make install)",
        ) from error
