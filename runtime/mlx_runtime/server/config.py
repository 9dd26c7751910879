"""The files of an endpoint's folder: endpoint.json says what to serve, server.json which process serves it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import Field

from mlx_specs import layout
from mlx_specs.feature_resources import FeatureLookup
from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.resources import About, Version, Wire

ENDPOINT_FILE = "endpoint.json"
SERVER_FILE = "server.json"
LOG_FILE = "server.log"
LOCK_FILE = "server.lock"
HOST = "127.0.0.1"
EXIT_LOCKED = 75
"""The exit status of a server that found another one holding its folder's lock (EX_TEMPFAIL)."""


class EndpointConfig(Wire):
    """endpoint.json: readable by its owner only, because ``token`` lets whoever has it switch versions."""

    name: str
    workspace: str
    """Absolute; the versions' artifacts are relative to it."""
    port: int = 0
    """0: the port it had before if that is free, else any free one."""
    versions: list[Version] = Field(default_factory=list)
    current: str = ""
    """The version that answers when a request names none; empty: there is no version yet."""
    waiting_for: str = ""
    """MODEL@ALIAS, for the answer while there is no version."""
    timeout: int = 30
    max_rows: int = 10_000
    threads: int = 1
    memory: str | None = None
    features: FeatureLookup | None = None
    log: str = ""
    """Where its predictions are logged: a folder, relative to the workspace, or an environment's storage; empty: nowhere."""
    about: About = About()
    token: str = ""

    def serves(self, other: "EndpointConfig") -> bool:
        """Whether a server with this configuration serves the other as it is; who may switch it does not matter."""
        return self == other.model_copy(update={"token": self.token})

    def needs_restart(self, other: "EndpointConfig") -> bool:
        """Whether a running server cannot become the other by a switch: port, threads and memory are fixed at its start."""
        return (self.port, self.threads, self.memory, self.workspace) != (other.port, other.threads, other.memory, other.workspace)


@dataclass(frozen=True)
class ServerRecord:
    """server.json: written by the server itself once it listens."""

    pid: int
    started: str
    """When the process started, as the kernel says: a pid that was given away again has another."""
    port: int


def config_from(inputs: ModelServerInputs, workspace: Path) -> EndpointConfig:
    """What a ModelServer resource asks for."""
    held = [inputs.version] if inputs.version.exists else []
    return EndpointConfig(
        name=inputs.name, workspace=str(workspace.resolve()), port=inputs.port or 0, versions=held, current=inputs.version.version if held else "",
        waiting_for=f"{inputs.model}@{inputs.alias}", timeout=inputs.timeout, max_rows=inputs.max_rows, threads=inputs.cpu or 1, memory=inputs.memory,
        features=inputs.features, log=str(layout.prediction_log(inputs.home, inputs.name)) if inputs.log else "", about=inputs.about,
    )  # fmt: skip


def read_config(folder: Path) -> EndpointConfig | None:
    """The endpoint's configuration, or None where there is none."""
    try:
        return EndpointConfig.model_validate_json((folder / ENDPOINT_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_config(folder: Path, config: EndpointConfig) -> None:
    """Whole or not at all, for its owner's eyes only."""
    write_private(folder / ENDPOINT_FILE, json.dumps(config.wire(), indent=1).encode())


def read_record(folder: Path) -> ServerRecord | None:
    """Which process said last that it serves this folder, or None."""
    try:
        return ServerRecord(**json.loads((folder / SERVER_FILE).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_record(folder: Path, record: ServerRecord) -> None:
    """Whole or not at all."""
    write_private(folder / SERVER_FILE, json.dumps(asdict(record)).encode())


def write_private(path: Path, content: bytes) -> None:
    """Mode 600 from the first byte on; a rename makes it visible."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
