"""What mlx renders for a cluster, and its containers as processes of this machine: the same command, arguments and environment."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from built_tools import free_port
from made_flights import ask

from mlx_components.kubernetes.inference import MODELS, PORT
from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.programs import OBJECT_FILE, OBJECT_FOLDER
from mlx_specs.cluster import ClusterSpec
from mlx_specs.environment import Images, KubernetesTarget

LIMIT = 120
"""Seconds within which a program ends."""
ANSWERS_WITHIN = 60.0
"""Seconds within which a server does what it is waited for."""
DIGEST = "sha256:" + "0" * 64
Secrets = Mapping[tuple[str, str], str]
"""Values by the name of a Secret and its key."""
NO_SECRETS: Secrets = {}
ROOT = Path(__file__).parents[2]
PACKAGES = os.pathsep.join(str(ROOT / name) for name in ("specs", "feature_repo", "runtime"))
"""What is installed in the image."""


def place(storage: str = "s3://models/prod") -> Place:
    """An environment on a cluster."""
    images = Images(registry="registry.example.com/mlx", runtime=DIGEST, pipelines=DIGEST)
    target = KubernetesTarget(type="kubernetes", cluster="main", namespace="prod", storage=storage, images=images)
    return Place("flights", "prod", "main", ClusterSpec(provider="existing", context="main"), target)


def with_spark(storage: str) -> Place:
    """The same with an image for Spark."""
    here = place(storage)
    return replace(here, target=here.target.model_copy(update={"images": here.target.images.model_copy(update={"spark": DIGEST})}))


def of_kind(manifests: Sequence[Manifest], kind: str) -> Manifest:
    """The only one of this kind."""
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


def endpoint_container(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """The container of an endpoint's pods: KServe adds the variables of the InferenceService's model to those of the runtime."""
    (container,) = of_kind(manifests, "ServingRuntime")["spec"]["containers"]
    model = of_kind(manifests, "InferenceService")["spec"]["predictor"]["model"]
    return {**container, "env": [*container["env"], *model["env"]]}


@dataclass(frozen=True)
class Program:
    """A Job of ours with the object that is mounted into it."""

    container: "Container"
    object: str

    def start(self, folder: Path, variables: Mapping[str, str]) -> subprocess.Popen[str]:
        """``variables`` let it into the bucket; its scratch is below the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / OBJECT_FILE
        file.write_text(self.object)
        return self.container.start(folder, {f"{OBJECT_FOLDER}/{OBJECT_FILE}": str(file)}, {**variables, "TMPDIR": str(folder)})

    def run(self, folder: Path, variables: Mapping[str, str]) -> tuple[int, list[str]]:
        """Its exit status and the lines of its log."""
        process = self.start(folder, variables)
        out, log = process.communicate(timeout=LIMIT)
        assert out == ""
        return process.returncode, log.splitlines()


def program(manifests: Sequence[Manifest], secrets: Secrets = NO_SECRETS) -> Program:
    """The Job among them, or else the one of the CronJob."""
    scheduled = all(one["kind"] != "Job" for one in manifests)
    job = of_kind(manifests, "CronJob")["spec"]["jobTemplate"] if scheduled else of_kind(manifests, "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (worked_on,) = [one["data"][OBJECT_FILE] for one in manifests if one["kind"] == "ConfigMap" and OBJECT_FILE in one["data"]]
    return Program(container_of(container, secrets), worked_on)


@dataclass(frozen=True)
class Container:
    """A container of a rendered pod."""

    command: list[str]
    env: dict[str, str]

    def start(self, folder: Path, replaced: Mapping[str, str], more: Mapping[str, str], arguments: Sequence[str] = ()) -> subprocess.Popen[str]:
        """In ``folder``; ``replaced`` are parts of the command that only a container can have, ``more`` what its machine adds to the environment."""
        command = [replaced.get(part, part) for part in self.command]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PACKAGES, **self.env, **more}
        assert command[0] == "python"
        return subprocess.Popen(
            [sys.executable, *command[1:], *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def container_of(rendered: Mapping[str, Any], secrets: Secrets = NO_SECRETS) -> Container:
    """As the kubelet reads it."""
    return Container([*rendered["command"], *rendered.get("args", ())], {one["name"]: _value(one, secrets) for one in rendered["env"]})


def _value(variable: Mapping[str, Any], secrets: Secrets) -> str:
    if "value" in variable:
        return variable["value"]
    reference = variable["valueFrom"]["secretKeyRef"]
    return secrets[reference["name"], reference["key"]]


class Server:
    """An endpoint's container that serves the artifact of a folder on a port of this machine."""

    def __init__(self, manifests: Sequence[Manifest], artifact: Path, home: Path, secrets: Secrets = NO_SECRETS, *, storage: str = "") -> None:
        """``storage`` is one of this machine, which no environment could name."""
        self.artifact, self.home, self.port = artifact, home, free_port()
        self.container = container_of(endpoint_container(manifests), secrets)
        mounted = {f"{OBJECT_FOLDER}/{name}": str(path) for name, path in self._mounted(manifests).items()}
        replaced = {MODELS: str(artifact), str(PORT): str(self.port), **mounted, **({place().target.storage: storage} if storage else {})}
        variables = {"HOME": str(home), "TMPDIR": str(home)}
        self.process = self.container.start(home, replaced, variables, ["--host", "127.0.0.1"])

    def _mounted(self, manifests: Sequence[Manifest]) -> Mapping[str, Path]:
        """The files of its ConfigMap, beside its home."""
        data = {name: text for one in manifests if one["kind"] == "ConfigMap" for name, text in one["data"].items()}
        folder = self.home.with_name(f"{self.home.name}-mounted")
        for name, text in data.items():
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        return {name: folder / name for name in data}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status(self, path: str) -> int:
        """0 while nobody listens."""
        try:
            return ask(self.port, "GET", path).status
        except OSError:
            return 0

    def await_status(self, path: str, status: int) -> None:
        deadline = time.monotonic() + ANSWERS_WITHIN
        while self.status(path) != status:
            assert self.process.poll() is None and time.monotonic() < deadline, self.end()
            time.sleep(0.02)

    def ready(self) -> "Server":
        self.await_status("/v2/health/ready", 200)
        return self

    def end(self) -> str:
        """Its log."""
        if self.process.poll() is None:
            self.process.kill()
        return self.process.communicate()[1]
