"""What mlx renders for a cluster, and its containers as processes of this machine: the same command, arguments and environment."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.programs import OBJECT_FILE, OBJECT_FOLDER
from mlx_specs.cluster import ClusterSpec
from mlx_specs.environment import Images, KubernetesTarget

LIMIT = 120
"""Seconds within which a program ends."""
DIGEST = "sha256:" + "0" * 64
ROOT = Path(__file__).parents[2]
PACKAGES = os.pathsep.join(str(ROOT / name) for name in ("specs", "feature_repo", "runtime"))
"""What is installed in the image."""


def place(storage: str = "s3://models/prod") -> Place:
    """An environment on a cluster."""
    images = Images(registry="registry.example.com/mlx", runtime=DIGEST, pipelines=DIGEST)
    target = KubernetesTarget(type="kubernetes", cluster="main", namespace="prod", storage=storage, images=images)
    return Place("flights", "prod", "main", ClusterSpec(provider="existing", context="main"), target)


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


def program(manifests: Sequence[Manifest]) -> Program:
    """The Job among them."""
    (container,) = of_kind(manifests, "Job")["spec"]["template"]["spec"]["containers"]
    return Program(container_of(container), of_kind(manifests, "ConfigMap")["data"][OBJECT_FILE])


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


def container_of(rendered: Mapping[str, Any]) -> Container:
    """As the kubelet reads it."""
    return Container([*rendered["command"], *rendered.get("args", ())], {one["name"]: one["value"] for one in rendered["env"]})
