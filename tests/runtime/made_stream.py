"""A stream on a cluster as a driver's process, and what it leaves in its storage."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
from made_cluster import NO_SECRETS, Secrets, of_kind, with_spark
from made_flights import as_rows
from made_scored import Cluster
from spark_driver import Driver

from mlx_components.kubernetes.inference import LookedUp
from mlx_components.kubernetes.place import Manifest
from mlx_components.kubernetes.programs import OBJECT_FILE
from mlx_components.kubernetes.stream import stream_objects
from mlx_runtime.scorer import load
from mlx_specs.base import Metadata
from mlx_specs.followed import FollowedStream
from mlx_specs.inference import Inference, InferenceSpec, Stream
from mlx_specs.resources import Version


def stream_manifests(cluster: Cluster, settings: Mapping[str, Any], *, event_time: str = "booked", features: LookedUp | None = None) -> Sequence[Manifest]:
    """Of an Inference with these settings, and the storage of the cluster."""
    stream = Stream.model_validate({"interval": "1s", **settings})
    inference = Inference(metadata=Metadata(name="live"), spec=InferenceSpec(mode="stream", model="delay@champion", stream=stream))
    return stream_objects(inference, stream, with_spark(cluster.bucket.url), cluster.version, event_time, features)


@dataclass(frozen=True)
class Followed:
    """What a stream has left in its storage."""

    cluster: Cluster
    manifests: Sequence[Manifest]

    @property
    def folder(self) -> Path:
        told = FollowedStream.model_validate_json(of_kind(self.manifests, "ConfigMap")["data"][OBJECT_FILE])
        return self.cluster.bucket.data / told.place

    def rows(self, part: str = "predictions") -> pyarrow.Table:
        """Of all parts, in the order of where they came from."""
        files = sorted((self.folder / part).glob("part-*.parquet"))
        return pyarrow.concat_tables([parquet.read_table(file) for file in files]).sort_by("_source") if files else pyarrow.table({"_source": []})

    def checkpoint(self) -> tuple[int, int]:
        """The numbers of the micro-batches that a driver began last and has done last; -1 where there was none."""
        kept = self.folder / "checkpoint" / "checkpoint.json"
        said = json.loads(kept.read_bytes()) if kept.is_file() else {"batch": -1, "done": -1}
        return said["batch"], said["done"]

    def count(self, part: str = "predictions") -> int:
        return self.rows(part).num_rows


def add_lines(folder: Path, name: str, rows: Sequence[Any]) -> None:
    """A file of JSON lines, which appears whole."""
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / f".{name}"
    hidden.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    hidden.rename(folder / name)


def as_lines(table: pyarrow.Table) -> list[dict[str, Any]]:
    columns = as_rows(table)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def of_version(cluster: Cluster, rows: pyarrow.Table) -> list[dict[str, Any]]:
    """What the version that is served says of rows, in their order."""
    says = {"model_version": cluster.version.version, "model_fingerprint": cluster.version.fingerprint}
    return [{**row, **says} for row in load(cluster.packed.folder, cluster.packed.digest).score_table(rows.drop(["flight"])).to_pylist()]


Start = Callable[..., tuple[Driver, Followed]]
"""``start(cluster, **settings)``: a driver, and what its stream has left."""


def drivers(cluster: Cluster, pods: Path, jars: Sequence[Path] = (), secrets: Secrets = NO_SECRETS, **usual: Any) -> Iterator[Start]:
    """Starts drivers of one stream; those that still run are killed at the end."""
    started = list[Driver]()

    def start(of: Cluster = cluster, master: str = "local[2]", **settings: Any) -> tuple[Driver, Followed]:
        manifests = stream_manifests(of, {**usual, **settings})
        started.append(Driver(manifests, {**cluster.bucket.variables, "PODS": str(pods)}, jars, secrets, master))
        return started[-1], Followed(of, manifests)

    yield start
    for driver in started:
        if driver.process.poll() is None:
            driver.end(signal.SIGKILL)


def told(**settings: Any) -> FollowedStream:
    """What a program is told that follows nothing yet."""
    usual = {"environment": "prod", "name": "live", "model": "a@b", "version": Version().wire(), "source": "s3://in", "storage": "s3://out"}
    return FollowedStream.model_validate({**usual, "columns": [], "interval": 1, **settings})
