"""A query's checkpoint in the environment's storage: where Spark stands, as one small object that is replaced by each micro-batch.

Spark writes which offsets a micro-batch has before it runs it. That is sent before the micro-batch's part is written, and that it is done
after it: so whatever dies when, the next driver runs one that was not done over the same rows, puts its part in the place of the first one's,
and leaves one that was done as it is.
"""

import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mlx_runtime.cluster.storage import Storage
from mlx_runtime.stream import StreamError

FILE = "checkpoint.json"


@dataclass
class Checkpoint:
    """Spark's folder on this machine, and the storage that outlives it."""

    folder: Path
    storage: Storage
    latest: datetime | None = None
    """The latest event time of all micro-batches that are done."""
    kept: bool = False
    done: int = -1
    """The last micro-batch that is known to be done."""
    driver: str = field(default_factory=lambda: secrets.token_hex(8))
    """Whose checkpoint it is: a driver that was cut off from the cluster may go on beside the one that took its place."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """A micro-batch is run in a thread of Spark's."""

    def restore(self) -> int | None:
        """Lays down what the last driver kept; the number of the micro-batch that it began last, None where none was kept."""
        said = self.storage.read_json(FILE)
        if said is None:
            return None
        for name, text in said["files"].items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.latest = datetime.fromisoformat(said["latest"]) if said["latest"] else None
        self.kept, self.done = True, int(said["done"])
        self.storage.write_json(FILE, {**said, "driver": self.driver})
        return int(said["batch"])

    def keep(self, batch: int) -> None:
        """Before the micro-batch's rows are scored, and again when it is done: its offsets and those before it, which Spark wants to see."""
        wanted = ["metadata", *self._below("sources"), *(f"{log}/{number}" for log in ("offsets", "commits") for number in (batch - 1, batch))]
        with self._lock:
            self._write(batch, wanted)

    def finish(self, batch: int, latest: datetime | None) -> None:
        """After its part was written."""
        self.done, self.latest = batch, latest
        self.keep(batch)

    def keep_start(self) -> None:
        """Where a topic is begun, as soon as Spark has written it: rows that come before the first micro-batch are not lost."""
        with self._lock:
            if not self.kept and (sources := self._below("sources")):
                self._write(-1, ["metadata", *sources])

    def _write(self, batch: int, wanted: Iterable[str]) -> None:
        files = {name: (self.folder / name).read_text() for name in wanted if (self.folder / name).is_file()}
        if batch >= 0 and f"offsets/{batch}" not in files:
            raise StreamError(f"Spark has not written the offsets of micro-batch {batch}", hint="another release of Spark keeps them elsewhere")
        there = self.storage.read_json(FILE)
        if there is not None and there["driver"] != self.driver:
            raise StreamError("another driver follows this stream from where this one stands", hint="this one ends; the other one goes on")
        self.storage.write_json(
            FILE, {"driver": self.driver, "batch": batch, "done": self.done, "files": files, "latest": self.latest.isoformat() if self.latest else ""}
        )
        self.kept = True

    def _below(self, name: str) -> list[str]:
        found = sorted((self.folder / name).rglob("*")) if (self.folder / name).is_dir() else []
        return [path.relative_to(self.folder).as_posix() for path in found if path.is_file() and not path.name.startswith(".")]
