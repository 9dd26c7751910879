"""A storage with a packaged model and prepared rows, and the Job that scores them: what tests of programs on a cluster begin with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from made_cluster import Program, program, with_spark
from made_flights import Packaged, flights
from made_storage import Bucket, Buckets, lay_prepared

from mlx_components.kubernetes.inference import batch_objects
from mlx_components.kubernetes.place import Manifest
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_specs.base import Compute, Metadata
from mlx_specs.inference import Batch, Inference, InferenceSpec
from mlx_specs.resources import Version

CONTENT = "c" * 64


@dataclass(frozen=True)
class Cluster:
    """A storage with an artifact and a prepared dataset, and the scratch of pods."""

    bucket: Bucket
    folder: Path
    packed: Packaged
    number: str = "4"

    @property
    def storage(self) -> Storage:
        return open_storage(self.bucket.url)

    @property
    def version(self) -> Version:
        fingerprint = self.packed.folder.name
        return Version(fingerprint=fingerprint, version=self.number, artifact=f"{self.bucket.url}/{self.artifact}", artifact_digest=self.packed.digest)

    @property
    def artifact(self) -> str:
        """The artifact's folder in the storage."""
        return f"models/delay/{self.packed.folder.name}"

    def lay_rows(self, rows: pyarrow.Table, content: str = CONTENT) -> Path:
        return lay_prepared(self.storage, self.folder, "flights", rows, content, "d", keys=["flight"])

    def objects(self, *, cpu: int = 1, nodes: int = 1, **settings: Any) -> Sequence[Manifest]:
        """What the Inference becomes."""
        batch = Batch(input="flights", columns=["carrier"], **settings)
        spec = InferenceSpec(mode="batch", model="delay@champion", batch=batch, compute=Compute(cpu=cpu, memory="1Gi", nodes=nodes))
        inference = Inference(metadata=Metadata(name="nightly"), spec=spec)
        return batch_objects(inference, batch, with_spark(self.bucket.url), self.version, "d")

    def job(self, *, cpu: int = 1) -> Program:
        return program(self.objects(cpu=cpu))

    def run(self, **changed: object) -> tuple[int, list[str]]:
        return self.job(**changed).run(self.folder / "pod", self.bucket.variables)  # type: ignore[arg-type]

    def predictions(self) -> Path:
        latest = json.loads((self.bucket.data / "predictions" / "nightly" / "latest.json").read_bytes())
        return self.bucket.data / latest["path"]


def laid(bucket: Bucket, folder: Path, packed: Packaged, number: str = "4") -> Cluster:
    """With the artifact in the storage; the bucket's variables are in this process's environment."""
    made = Cluster(bucket, folder, packed, number)
    for file in packed.folder.iterdir():
        made.storage.store.send(file, f"{made.storage.prefix}{made.artifact}/{file.name}")
    return made


def cluster_with(buckets: Buckets, packed: Packaged, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Cluster:
    """In an S3 bucket, whose variables are in this process's environment from now on."""
    bucket = buckets("s3")
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    return laid(bucket, folder, packed)


def numbered(rows: int, seed: int = 3) -> pyarrow.Table:
    return flights(rows, seed).append_column("flight", pyarrow.array(np.arange(rows)))
