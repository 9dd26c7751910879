"""What can be seen of the applied workspace of models: files, registry, servers, processes. Looks only."""

import http.client
import json
import pickle
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as parquet
from trials import Trial

from mlx_pipelines.registry_reads import find_model
from mlx_specs import layout

HOME = ".mlx/local"
PATIENCE = 10.0
"""Seconds for an answer of a server."""


@dataclass(frozen=True)
class Look:
    """The workspace as it was at one moment; what an update in place changes is kept here, for files move on."""

    status: Mapping[str, Mapping[str, Any]]
    registered: Mapping[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    """Description and tags of each registered model."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What the endpoint ``api`` says of its model."""
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    """pipeline.json of ``quick``."""
    latest: Mapping[str, Any] = field(default_factory=dict)
    """latest.json of the batch run ``all``."""


def look(trial: Trial) -> Look:
    """All of it now."""
    status = trial.status()
    names = [id.partition("/")[2] for id in status if id.startswith("Model/")]
    found = {name: find_model(trial.root, HOME, name) for name in names}
    return Look(
        status,
        {name: (model.description, model.tags) for name, model in found.items() if model is not None},
        get(status["Inference/api"]["url"], "/v2/models/api")[1],
        _json(trial.root / HOME / "pipelines" / "quick" / "pipeline.json"),
        _json(trial.root / HOME / "predictions" / "all" / "latest.json"),
    )


@dataclass(frozen=True)
class Seen:
    """The workspace after its first, second and third apply."""

    trial: Trial
    objects: Sequence[Mapping[str, Any]]
    """What was applied first."""
    first: Look
    second: Look
    third: Look

    def model_file(self, model: str) -> dict[str, Any]:
        """model.json as it was trained."""
        return _json(self.trial.root / self.first.status[f"Model/{model}"]["artifact"] / "model.json")

    def held_out(self, model: str) -> list[int]:
        """The ids of the rows that no training saw."""
        return sorted(parquet.read_table(self._run(model) / "held_out.parquet").column("id").to_pylist())

    def estimator(self, model: str) -> Any:
        """What was fitted, without the preparation before it."""
        with _importable(self.trial.root / "kfp_pipelines"):
            fitted = pickle.loads((self._run(model) / "estimator.pickle").read_bytes())
        return fitted[-1] if hasattr(fitted, "steps") else fitted

    def given(self, model: str) -> dict[str, Any]:
        """What the training process was given, in its own words."""
        (line,) = [line for line in (self._run(model) / "run.log").read_text().splitlines() if "GIVEN " in line]
        return json.loads(line.partition("GIVEN ")[2])

    def steps(self, model: str) -> list[str]:
        """The steps that ran."""
        return [step["name"] for step in _json(self._run(model) / "manifest.json")["steps"]]

    def plots(self, model: str) -> set[str]:
        """The plots that were drawn."""
        return {path.stem for path in (self._run(model) / "plots").glob("*.png")}

    def predictions(self, inference: str) -> Any:
        """The table of a batch run."""
        return parquet.read_table(self.trial.root / self.first.status[f"Inference/{inference}"]["path"])

    def url(self, inference: str) -> str:
        """Where an endpoint listens."""
        return self.first.status[f"Inference/{inference}"]["url"]

    def process(self, inference: str, file: str) -> str:
        """A file of /proc of an endpoint's process."""
        return (Path("/proc") / str(self.first.status[f"Inference/{inference}"]["pid"]) / file).read_text()

    def threads(self, inference: str) -> str:
        """How many threads its numerical libraries may use."""
        return dict(line.partition("=")[::2] for line in self.process(inference, "environ").split("\0"))["OMP_NUM_THREADS"]

    def data_limit(self, inference: str) -> str:
        """The most bytes of its data segment."""
        (line,) = [line for line in self.process(inference, "limits").splitlines() if line.startswith("Max data size")]
        return line.split()[3]

    def answers(self, inference: str, rows: int) -> int:
        """The HTTP status of a request of so many rows."""
        features = [tensor["name"] for tensor in get(self.url(inference), f"/v2/models/{inference}")[1]["inputs"]]
        inputs = [{"name": name, "shape": [rows], "datatype": "FP64", "data": [0.5] * rows} for name in features]
        return _ask(self.url(inference), "POST", f"/v2/models/{inference}/infer", json.dumps({"inputs": inputs}))[0]

    def patience(self, inference: str) -> int:
        """After how many whole seconds it gives up a request whose body never comes."""
        connection = _connection(self.url(inference))
        started = time.monotonic()
        connection.putrequest("POST", f"/v2/models/{inference}/infer")
        connection.putheader("Content-Length", "100")
        connection.endheaders()
        answer = connection.getresponse()
        connection.close()
        assert answer.status == 504
        return int(time.monotonic() - started)

    def _run(self, model: str) -> Path:
        return self.trial.root / layout.run(HOME, model, self.first.status[f"Model/{model}"]["fingerprint"])


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def get(url: str, path: str) -> tuple[int, Any]:
    """Status and JSON of a GET."""
    return _ask(url, "GET", path)


def _ask(url: str, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    connection = _connection(url)
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)


def _json(path: Path) -> Any:
    return json.loads(path.read_text())
