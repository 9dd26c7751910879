"""What servers and trainings have written: the newest log of each object, its end, and what is added while it is read. Reads only."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mlx_specs import layout
from mlx_specs.inference import Inference
from mlx_specs.model import Model
from mlx_specs.support import deferral
from mlx_stacks.cluster_logs import KINDS, FollowedPods, pods_of
from mlx_stacks.status import status
from mlx_stacks.workspace import Workspace

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
"""What a line of a server's log begins with, in this machine's time."""


@dataclass(frozen=True)
class Log:
    """The end of one log; ``path`` is the file in the workspace, or POD/CONTAINER, and ``refused`` says why it could not be read."""

    id: str
    path: str
    lines: Sequence[str]
    refused: str = ""


class Following(Protocol):
    """One object whose log is read as it grows."""

    id: str
    pause: float
    """Seconds between two looks."""

    @property
    def found(self) -> bool:
        """Whether there is a log at all."""
        ...

    def begin(self, last: int, since: datetime | None) -> Sequence[str]:
        """The end of what is there now; from here on it is followed."""
        ...

    def more(self) -> Sequence[str]:
        """What was added since the last look."""
        ...


def is_on_cluster(workspace: Workspace) -> bool:
    """Whether logs are those of pods."""
    return workspace.environment.spec.target.type == "kubernetes"


def kinds_with_logs(workspace: Workspace) -> tuple[str, ...]:
    """On a cluster everything that has pods."""
    return KINDS if is_on_cluster(workspace) else ("Inference", "Model")


def writers(workspace: Workspace) -> tuple[str, ...]:
    """The ids of the objects that can have a log, in the graph's order."""
    if is_on_cluster(workspace):
        return tuple(node.id for node in workspace.graph.objects if node.object.kind in KINDS and deferral(node.object, "kubernetes") is None)
    return tuple(node.id for node in workspace.graph.objects if _writes(node.object))


def read_logs(workspace: Workspace, ids: Sequence[str], last: int, since: datetime | None) -> list[Log]:
    """What is there now of each object: one file, or those of its pods' containers, the newest pod first."""
    if is_on_cluster(workspace):
        pods = pods_of(workspace)
        return [Log(log.id, log.path, log.lines, log.refused) for id in ids for log in pods.read(id, last, since)]
    logs = {id: newest_log(workspace, id) for id in ids}
    return [Log(id, str(log.relative_to(workspace.root)), last_lines(log, last, since)) for id, log in logs.items() if log]


def follow(workspace: Workspace, ids: Sequence[str]) -> list[Following]:
    """What is followed of each object."""
    if is_on_cluster(workspace):
        pods = pods_of(workspace)
        return [FollowedPods(pods, id) for id in ids]
    return [Followed(workspace, id) for id in ids]


def why_none(workspace: Workspace, missing: Sequence[str], logs: Sequence[Log]) -> tuple[str, str]:
    """That there is no log of these objects, why, and what to do."""
    if not is_on_cluster(workspace):
        hint = "mlx status shows what runs; a batch inference tells its progress in mlx apply"
        return f"{' and '.join(missing) or 'nothing'} has no log in environment {workspace.name}", hint
    refused = [log for log in logs if log.refused and log.id in missing]
    if refused:
        told = [f"{log.id}: pod {log.path} has no log that can be read: {log.refused}" for log in refused]
        return "; ".join(told), "the API server asks the node for it: is the node there?"
    statuses = {item.id: item for item in status(workspace)}
    told = [statuses[id] for id in missing if id in statuses]
    first = told[0].id.partition("/")[2] if told else ""
    return "; ".join(f"{item.id} has no pod: it is {item.status}{f', {item.detail}' if item.detail else ''}" for item in told), f"mlx why {first} says more"


def newest_log(workspace: Workspace, id: str) -> Path | None:
    """The server's log of an Inference, or that of a Model's last training; None while there is none."""
    kind, name = id.split("/")
    home = workspace.layout.home
    places = {"Inference": (layout.endpoint(home, name), "server.log"), "Model": (layout.run(home, name, "x").parent, "*/run.log")}
    if kind not in places:
        return None
    folder, pattern = places[kind]
    found = [(changed, path) for path in (workspace.root / folder).glob(pattern) if (changed := _changed(path)) is not None]
    return max(found)[1] if found else None


def last_lines(log: Path, last: int, since: datetime | None = None) -> list[str]:
    """The end of a log: of its lines since a moment, the last ones."""
    with log.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        return [line.rstrip("\r\n") for line in deque(_since(lines, log, since), maxlen=last)]


@dataclass
class Followed:
    """An object whose log is read as it grows; it goes on with the newer log when another training begins."""

    workspace: Workspace
    id: str
    pause: float = 0.2
    _log: Path | None = None
    _position: int = 0
    _rest: bytes = b""
    """The beginning of a line whose end is not written yet."""

    @property
    def found(self) -> bool:
        """Whether there is a log at all."""
        return self._log is not None

    def begin(self, last: int, since: datetime | None) -> Sequence[str]:
        """The end of what is there now; from here on it is followed."""
        self._log = newest_log(self.workspace, self.id)
        if self._log is None:
            return []
        content = self._log.read_bytes()  # once: what is added from now on is more()'s
        self._position = content.rfind(b"\n") + 1
        lines = content[: self._position].decode(errors="replace").splitlines()
        return list(deque(_since(lines, self._log, since), maxlen=last))

    def more(self) -> Sequence[str]:
        """The whole lines that were added since the last look."""
        lines = self._added()
        newest = newest_log(self.workspace, self.id)
        if newest != self._log and newest is not None:
            rest = [self._rest.decode(errors="replace")] if self._rest else []
            self._log, self._position, self._rest = newest, 0, b""
            lines = [*lines, *rest, *self._added()]
        return lines

    def _added(self) -> list[str]:
        if self._log is None or not self._log.is_file():
            return []
        if self._log.stat().st_size < self._position:  # it was emptied and begins again
            self._position, self._rest = 0, b""
        with self._log.open("rb") as file:
            file.seek(self._position)
            added = file.read()
        self._position += len(added)
        *whole, self._rest = (self._rest + added).split(b"\n")
        return [line.decode(errors="replace").rstrip("\r") for line in whole]


def _writes(made: object) -> bool:
    return isinstance(made, Model) or (isinstance(made, Inference) and made.spec.mode == "realtime")


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # removed between two looks
        return None


def _since(lines: Iterable[str], log: Path, since: datetime | None) -> Iterator[str]:
    """A line without a time belongs to the one before it; a log without any is as old as its last change."""
    if since is None:
        yield from lines
        return
    timeless = (_changed(log) or 0) >= since.timestamp()
    wanted: bool | None = None
    for line in lines:
        if TIME.match(line):
            wanted = datetime.fromisoformat(line[:19]) >= since
        if timeless if wanted is None else wanted:
            yield line
