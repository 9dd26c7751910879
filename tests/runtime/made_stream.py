"""A stream's driver as a process of this machine: the rendered application's arguments and environment, under Spark's local master."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest
from made_cluster import DIGEST, NO_SECRETS, PACKAGES, ROOT, Secrets, container_of, of_kind, place
from made_flights import Packaged, as_rows
from made_scored import Cluster, laid
from made_storage import Buckets

from mlx_components.kubernetes.inference import LookedUp
from mlx_components.kubernetes.place import Manifest
from mlx_components.kubernetes.programs import OBJECT_FILE, OBJECT_FOLDER
from mlx_components.kubernetes.stream import stream_objects
from mlx_runtime.scorer import load
from mlx_specs.base import Metadata
from mlx_specs.followed import FollowedStream
from mlx_specs.inference import Inference, InferenceSpec, Stream
from mlx_specs.resources import Version

ENDED = 128 + signal.SIGTERM
"""The exit status of a driver that was told to end."""
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""No thorough compilation of what runs for seconds."""
ONE_CORE_EACH = "--conf spark.executor.cores=1 --conf spark.executor.memory=512m"
"""Of executors, where the master is not local."""
WITHIN = 120.0
"""Seconds in which a driver does what it is waited for."""


def stream_manifests(cluster: Cluster, settings: Mapping[str, Any], *, event_time: str = "booked", features: LookedUp | None = None) -> Sequence[Manifest]:
    """Of an Inference with these settings, and the storage of the cluster."""
    stream = Stream.model_validate({"interval": "1s", **settings})
    inference = Inference(metadata=Metadata(name="live"), spec=InferenceSpec(mode="stream", model="delay@champion", stream=stream))
    here = place(cluster.bucket.url)
    images = here.target.images.model_copy(update={"spark": DIGEST})
    with_spark = replace(here, target=here.target.model_copy(update={"images": images}))
    return stream_objects(inference, stream, with_spark, cluster.version, event_time, features)


def environment_of(role: str, manifests: Sequence[Manifest], variables: Mapping[str, str], pod: Path, secrets: Secrets = NO_SECRETS) -> dict[str, str]:
    """Of the pods of the driver, or of an executor."""
    (templated,) = of_kind(manifests, "SparkApplication")["spec"][role]["template"]["spec"]["containers"]
    return {
        **container_of({"command": [], "env": templated["env"]}, secrets).env,
        **variables,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": PACKAGES,
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "HOME": str(pod),
        "TMPDIR": str(pod),
    }


@dataclass
class Driver:
    """A running driver; its scratch is gone with its pod."""

    manifests: Sequence[Manifest]
    variables: Mapping[str, str]
    jars: Sequence[Path] = ()
    secrets: Secrets = field(default_factory=lambda: NO_SECRETS)
    master: str = "local[2]"
    process: subprocess.Popen[str] = field(init=False)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        pod = Path(tempfile.mkdtemp(prefix="pod-", dir=self.variables["PODS"]))
        (pod / OBJECT_FILE).write_text(of_kind(self.manifests, "ConfigMap")["data"][OBJECT_FILE])
        application = of_kind(self.manifests, "SparkApplication")["spec"]
        arguments = [argument.replace(OBJECT_FOLDER, str(pod), 1) for argument in application["arguments"]]
        jars = f"--jars {','.join(map(str, self.jars))} " if self.jars else ""
        environment = {
            **environment_of("driver", self.manifests, self.variables, pod, self.secrets),
            "PYSPARK_SUBMIT_ARGS": f"--master {self.master} --driver-java-options '{QUICK}' {ONE_CORE_EACH} --conf spark.ui.enabled=false {jars}pyspark-shell",
        }
        self.log = pod / "log"
        with self.log.open("w") as log:
            command = [sys.executable, str(ROOT / "runtime" / "images" / "spark.py"), *arguments]
            self.process = subprocess.Popen(command, cwd=pod, env=environment, stdout=log, stderr=log, text=True, start_new_session=True)

    def until(self, done: Callable[[], bool]) -> None:
        """Waits; a driver that has ended does nothing any more."""
        deadline = time.monotonic() + WITHIN
        while not done():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def end(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status; Spark's own processes end with it."""
        if sent is signal.SIGKILL:
            os.killpg(self.process.pid, sent)
        else:
            self.process.send_signal(sent)
        return self.process.wait(WITHIN)

    @property
    def said(self) -> list[str]:
        """The lines that are ours, not Spark's."""
        return [line for line in self.log.read_text().splitlines() if line.startswith(("following", "micro-batch", "error:", "hint:"))]


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


def stream_cluster(buckets: Buckets, packed: Packaged, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Cluster:
    """A prefix of an S3 bucket that has a packaged model; the bucket's variables are in this process's environment."""
    bucket = buckets("s3")
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    return laid(bucket, folder, packed)


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
