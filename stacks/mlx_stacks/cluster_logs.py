"""Logs of an environment on a cluster: what each object's pods have written, and what they go on writing. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mlx_kubernetes.client import Client
from mlx_specs.pipeline_resources import TrainingRunOutputs
from mlx_stacks.cluster_live import Live, read_around, read_owned, read_pods
from mlx_stacks.cluster_look import asked
from mlx_stacks.on_cluster import connect
from mlx_stacks.pod_logs import Lines, LogOf, in_utc, lines_of, logs_of
from mlx_stacks.recorded import recorded_by_object
from mlx_stacks.workspace import Workspace, open_host

KINDS = ("Dataset", "FeatureStore", "Model", "Inference", "Notebook")
"""Objects that have pods."""


@dataclass(frozen=True)
class PodLog:
    """One container's end of its log; ``refused`` is what the API says where it gives none."""

    id: str
    path: str
    lines: Sequence[str]
    refused: str = ""


@dataclass(frozen=True)
class Pods:
    """The pods of an environment as they were last looked at."""

    client: Client
    live: Live
    runs: dict[str, str]
    """The last training run of each Model, by its id."""

    def of(self, id: str) -> list[LogOf]:
        """The logs of an object."""
        return logs_of(id, self.runs.get(id, ""), self.live)

    def read(self, id: str, last: int, since: datetime | None) -> list[PodLog]:
        """The end of each."""
        found = [(log, self.lines(log, last, in_utc(since) if since else "")) for log in self.of(id)]
        return [PodLog(id, log.path, [line.text for line in said.lines], said.refused) for log, said in found]

    def lines(self, log: LogOf, last: int | None, since: str) -> Lines:
        """What the API gives."""
        return asked(lambda: lines_of(self.client, self.live.namespace, log, last, since))

    def again(self) -> "Pods":
        """With the pods that there are now."""
        return replace(self, live=asked(lambda: read_pods(self.client, self.live)))


def pods_of(workspace: Workspace) -> Pods:
    """Looks at the cluster; raises ``UserError``."""
    connected, place = connect(workspace)
    client = asked(connected.client)
    recorded = recorded_by_object(open_host(workspace).export_state())
    runs = {id: TrainingRunOutputs.model_validate(made["TrainingRun"]).run_id for id, made in recorded.items() if "TrainingRun" in made}
    return Pods(client, asked(lambda: read_around(client, read_owned(client, place.namespace, place.owner))), runs)


@dataclass
class FollowedPods:
    """An object whose pods' logs are read as they grow; another pod's is followed when it comes."""

    pods: Pods
    id: str
    pause: float = 1.0
    found: bool = False
    """Whether there is a log at all."""
    _seen: dict[str, tuple[str, str]] = field(default_factory=lambda: dict[str, tuple[str, str]]())
    """The time of the last line that was read of each log, by its path."""

    def begin(self, last: int, since: datetime | None) -> Sequence[str]:
        """The end of what is there now; from here on it is followed."""
        return [line for log in self.pods.of(self.id) for line in self._new(log, last, in_utc(since) if since else "")]

    def more(self) -> Sequence[str]:
        """What was added since the last look."""
        self.pods = self.pods.again()
        return [line for log in self.pods.of(self.id) for line in self._new(log, None, self._since(log))]

    def _since(self, log: LogOf) -> str:
        """The API counts in whole seconds: what was read of this one is left out again."""
        return f"{self._seen[log.path][0]}Z" if log.path in self._seen else ""

    def _new(self, log: LogOf, last: int | None, since: str) -> list[str]:
        said = self.pods.lines(log, last, since)
        self.found = self.found or not said.refused
        new = [line for line in said.lines if log.path not in self._seen or line.order > self._seen[log.path]]
        if new:
            self._seen[log.path] = new[-1].order
        return [line.text for line in new]
