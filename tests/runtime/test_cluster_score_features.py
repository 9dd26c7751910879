"""`score` in a Job whose rows lack features: joined as of each row's moment, against a real S3 server; predictions as on the laptop."""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest
from made_cluster import LIMIT, Program, of_kind, program, with_spark
from made_features import DEFINITIONS, FUNCTIONS, HOME, LATEST, SOURCES, STORE, MadeStore, bookings, late_model, prepared
from made_flights import Packaged
from made_storage import Bucket, Buckets, lay_prepared, tree
from proxy import Fault, Request, proxy_to
from spark_driver import driving, needs_java

from mlx_components.kubernetes.inference import Joined, batch_objects
from mlx_components.kubernetes.place import Manifest
from mlx_engine.wire import from_struct, to_struct
from mlx_pipelines.code_bundle import packed_functions
from mlx_runtime.batch import score_dataset
from mlx_runtime.cluster.datasets import content_key, current_key, definition_key
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_runtime.scorer import BLOCK
from mlx_specs.base import Compute, Metadata
from mlx_specs.feature_resources import FeatureJoin, JoinedDatasetInputs, JoinedDatasetOutputs
from mlx_specs.inference import Batch, Inference, InferenceSpec
from mlx_specs.inference_resources import BatchPredictionsInputs
from mlx_specs.resources import Version

INPUT = "bookings"
DAMAGED_FUNCTIONS = FUNCTIONS.replace("years > 20", "years > limit")


@dataclass(frozen=True)
class Cluster:
    """A storage with an artifact and the rows of the views, and the scratch of pods."""

    bucket: Bucket
    folder: Path
    store: MadeStore
    packed: Packaged

    @property
    def storage(self) -> Storage:
        return open_storage(self.bucket.url)

    @property
    def version(self) -> Version:
        return Version(fingerprint="late", version="4", artifact=f"{self.bucket.url}/models/delay/late", artifact_digest=self.packed.digest)

    @property
    def join(self) -> FeatureJoin:
        """As an apply writes it: the rows behind the views by the digests of their definitions."""
        sources = {name: data.model_copy(update={"digest": f"definition-of-{name}"}) for name, data in self.store.sources.items()}
        return FeatureJoin(store=STORE, offline_store="duckdb", definitions=DEFINITIONS, sources=sources, code_digest="1")

    def lay(self, name: str, rows: pyarrow.Table, content: str = "first", **definition: Any) -> None:
        lay_prepared(self.storage, self.folder, name, rows, content, f"definition-of-{name}", **definition)

    def lay_input(self, rows: pyarrow.Table, content: str = "rows") -> None:
        self.lay(INPUT, rows, content, keys=["id"], eventTime="departs")

    def objects(self, *, functions: str = FUNCTIONS, nodes: int = 1, **settings: Any) -> tuple[Manifest, ...]:
        """What the Inference becomes."""
        batch = Batch(input=INPUT, columns=["origin"], **settings)
        compute = Compute(cpu=1, memory="2Gi", nodes=nodes)
        spec = InferenceSpec(mode="batch", model="delay@champion", features="delay-features", batch=batch, compute=compute)
        inference = Inference(metadata=Metadata(name="nightly"), spec=spec)
        (self.folder / "feature_repo").mkdir(exist_ok=True)
        (self.folder / "feature_repo" / "plane_features.py").write_text(functions)
        joined = Joined(self.join, packed_functions(["plane_features:age"], self.folder))
        return batch_objects(inference, batch, with_spark(self.bucket.url), self.version, f"definition-of-{INPUT}", joined)

    def job(self, **changed: Any) -> Program:
        return program(self.objects(**changed))

    def run(self, **changed: Any) -> tuple[int, list[str]]:
        return self.job(**changed).run(self.folder / "pod", self.bucket.variables)

    def latest(self) -> dict[str, Any]:
        return json.loads((self.bucket.data / "predictions" / "nightly" / "latest.json").read_bytes())

    def predictions(self) -> Path:
        return self.bucket.data / self.latest()["path"]

    def contents(self, folder: str) -> dict[str, bytes]:
        return {key: data for key, (_, data) in tree(self.bucket.data / folder).items()}


@pytest.fixture(scope="module")
def model(store: MadeStore, pack: Callable[..., Packaged]) -> Packaged:
    return late_model(store, pack)


@pytest.fixture
def cluster(buckets: Buckets, store: MadeStore, model: Packaged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    bucket = buckets("s3")
    for name, value in bucket.variables.items():
        monkeypatch.setenv(name, value)
    made = Cluster(bucket, tmp_path, store, model)
    for file in model.folder.iterdir():
        made.storage.store.send(file, f"{made.storage.prefix}models/delay/late/{file.name}")
    for name, rows in SOURCES.items():
        made.lay(name, rows())
    return made


def departures(rows: int, seed: int = 5) -> pyarrow.Table:
    """Bookings whose moments lie among those of the views' rows: another moment is another value."""
    table = bookings(rows, seed)
    moments = [LATEST + timedelta(minutes=37 * (row % 200) - 5000) for row in range(rows)]
    return table.set_column(table.column_names.index("departs"), "departs", pyarrow.array(moments, pyarrow.timestamp("us", tz="UTC")))


def on_the_laptop(cluster: Cluster, rows: pyarrow.Table) -> tuple[JoinedDatasetOutputs, Path]:
    """The rows with their features, and the predictions, as an apply there leaves them."""
    workspace = cluster.store.workspace
    data = prepared(workspace, INPUT, rows, ["id"], "departs")
    asked = JoinedDatasetInputs(name="inference.nightly", home=HOME, store=STORE, definitions=DEFINITIONS, sources=cluster.store.sources, data=data)
    # As Pulumi hands it to our provider: the order in which people wrote views is not kept.
    handed = JoinedDatasetInputs.model_validate(from_struct(to_struct(asked.wire())))
    joined = cluster.store.worker.join(handed, lambda line: None)
    scored = data.model_copy(update={"digest": joined.content_digest, "path": joined.path})
    version = cluster.version.model_copy(update={"artifact": str(cluster.packed.folder.relative_to(workspace))})
    inputs = BatchPredictionsInputs(name="nightly", home=HOME, model="delay", alias="champion", version=version, input=scored, columns=["origin"])
    return joined, workspace / score_dataset(inputs, workspace, lambda line: None).path


def test_rows_with_their_features_and_predictions_are_those_of_the_laptop_byte_for_byte(cluster: Cluster) -> None:
    rows = departures(BLOCK + 500)
    cluster.lay_input(rows)
    code, log = cluster.run()
    assert code == 0, log
    joined, laptop = on_the_laptop(cluster, rows)
    content, url = joined.content_digest, cluster.bucket.url
    scored = [line for line in log if line.startswith("scored ")]  # where it takes a while, how far it is
    assert [line for line in log if line not in scored] == [
        "starting Feast",
        "registered 3 feature views, 1 on-demand view, 1 feature service",
        f"joined 3 feature views to {rows.num_rows:,} rows",
        f"wrote {rows.num_rows:,} rows with 9 features, content {content[:12]}",
        f"{url}/joined/inference.nightly/{content} are the rows with their features",
        f"{url}/predictions/nightly/{laptop.parent.name} is the latest",
    ]
    assert scored[-1].startswith(f"scored {rows.num_rows:,} rows in ")
    assert cluster.predictions().read_bytes() == laptop.read_bytes()
    there = cluster.bucket.data / "joined" / "inference.nightly" / content / "data.parquet"
    assert there.read_bytes() == (cluster.store.workspace / joined.path).read_bytes()
    assert len(set(parquet.read_table(there)["gusts"].to_pylist())) > 20
    assert cluster.latest() == {
        "path": f"predictions/nightly/{laptop.parent.name}/predictions.parquet", "rows": rows.num_rows, "version": "4", "fingerprint": "late", "input": content,
    }  # fmt: skip


def test_what_is_scored_is_not_scored_again_and_with_newer_features_it_is(cluster: Cluster) -> None:
    cluster.lay_input(departures(40))
    assert cluster.run()[0] == 0
    before, first = tree(cluster.bucket.data), cluster.predictions()
    code, log = cluster.run()
    assert (code, log[-2]) == (0, "this version has scored these rows: nothing to score")
    assert tree(cluster.bucket.data) == before
    planes = SOURCES["planes"]()
    newer = planes.set_column(planes.column_names.index("seats"), "seats", pyarrow.array([40] * planes.num_rows, pyarrow.int64()))
    cluster.lay("planes", newer, "second")
    assert cluster.run()[0] == 0
    assert cluster.predictions() != first
    assert first.is_file()
    seats = parquet.read_table(cluster.bucket.data / "joined" / "inference.nightly" / cluster.latest()["input"] / "data.parquet")["seats"].to_pylist()
    assert set(seats) == {40, 150}


def test_rows_of_a_view_that_are_being_prepared_are_waited_for(cluster: Cluster) -> None:
    rows = departures(20)
    cluster.lay_input(rows)
    away = [cluster.bucket.data / key for key in (definition_key("planes", "definition-of-planes"), current_key("planes"))]
    kept = [path.read_bytes() for path in away]
    for path in away:
        path.unlink()
    process = cluster.job().start(cluster.folder / "pod", cluster.bucket.variables)
    assert process.stderr is not None
    said = process.stderr.readline().strip()
    assert said == f"waiting for Dataset/planes: {cluster.bucket.url}/{current_key('planes')} is not there yet (0 s of 7200 s)"
    for path, data in zip(away, kept, strict=True):
        path.write_bytes(data)
    _, log = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, log
    assert cluster.predictions().read_bytes() == on_the_laptop(cluster, rows)[1].read_bytes()


def stall_at(folder: str, name: str) -> Callable[[Request], Fault | None]:
    """Half of the object arrives, and then nothing more happens."""

    def choose(request: Request) -> Fault | None:
        path = request.path.partition("?")[0]
        return Fault.STALL if request.verb == "PUT" and f"/{folder}/" in path and path.endswith(name) else None

    return choose


@pytest.mark.parametrize(("folder", "name"), [("joined", "data.parquet"), ("predictions", "manifest.json")])
def test_killed_while_it_writes_it_is_finished_by_the_next_run(cluster: Cluster, folder: str, name: str) -> None:
    cluster.lay_input(departures(20))
    with proxy_to(cluster.bucket.port) as proxy:
        proxy.choose = stall_at(folder, name)
        process = cluster.job().start(cluster.folder / "killed", {**cluster.bucket.variables, **cluster.bucket.by_proxy(proxy.port)})
        assert proxy.stalled.wait(LIMIT)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (cluster.bucket.data / "predictions" / "nightly" / "latest.json").exists()
    assert cluster.run()[0] == 0
    killed = {folder: cluster.contents(folder) for folder in ("joined", "predictions")}
    for each in killed:
        shutil.rmtree(cluster.bucket.data / each)
    assert cluster.run()[0] == 0
    assert {folder: cluster.contents(folder) for folder in killed} == killed


def errors(cluster: Cluster, **changed: Any) -> list[str]:
    """What a run that fails says at last."""
    code, log = cluster.run(**changed)
    assert code == 1, log
    assert not (cluster.bucket.data / "predictions").exists()
    return [line.replace(cluster.bucket.url, "URL") for line in log if line.startswith(("error", "hint"))]


def test_rows_of_a_view_that_are_gone_are_named(cluster: Cluster) -> None:
    cluster.lay_input(departures(20))
    folder = cluster.bucket.data / content_key("planes", "first")
    (folder / "data.parquet").unlink()
    assert errors(cluster) == ["error: Inference/nightly: URL/datasets/planes/first/data.parquet is not there", "hint: prepare the dataset again"]
    (folder / "manifest.json").unlink()
    assert errors(cluster) == [
        "error: Inference/nightly: URL/datasets/planes/first/manifest.json is not there, though URL/datasets/planes/current.json names it",
        "hint: prepare the dataset again",
    ]


@pytest.mark.parametrize("column", ["tail", "departs"])
def test_rows_without_a_column_that_features_need_are_said_in_the_laptops_words(cluster: Cluster, column: str) -> None:
    cluster.lay_input(departures(20).drop([column]))
    assert errors(cluster) == [
        f"error: Inference/nightly: the features of 'air-travel': Dataset/bookings has no column '{column}', which the features need",
        "hint: join keys, request columns and eventTime must be columns of the rows",
    ]


def test_rows_without_a_column_that_the_model_reads_besides_are_said_in_the_laptops_words(cluster: Cluster) -> None:
    cluster.lay_input(departures(20).drop(["hour"]))
    said = errors(cluster)
    assert said[0] == "error: Inference/nightly: dataset 'bookings' has no column 'hour', a feature of the model"
    assert len(said) == 2


def test_a_view_without_the_column_that_it_takes_is_named(cluster: Cluster) -> None:
    cluster.lay_input(departures(20))
    cluster.lay("planes", SOURCES["planes"]().drop(["seats"]), "second")
    assert errors(cluster) == [
        "error: Inference/nightly: the features of 'air-travel': Dataset/planes has no column 'seats', which view 'planes' takes",
        "hint: it has tail, at, built",
    ]


def test_a_function_that_fails_is_named_with_what_it_was_given(cluster: Cluster) -> None:
    cluster.lay_input(departures(20))
    given = "built=1983, booked=datetime.datetime(2012, 5, 6, 12, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC'))"
    said = errors(cluster, functions=DAMAGED_FUNCTIONS)
    failed = f"on-demand view 'plane-age': plane_features:age({given}) failed: NameError: name 'limit' is not defined"
    assert said[0] == f"error: Inference/nightly: the features of 'air-travel': {failed}"
    assert len(said) == 2


def test_another_function_is_another_job_and_a_schedule_runs_the_same_program(cluster: Cluster) -> None:
    once, scheduled = cluster.objects(), cluster.objects(schedule="0 5 * * *")
    assert [one["kind"] for one in once] == ["ConfigMap", "Job"]
    assert [one["kind"] for one in scheduled] == ["ConfigMap", "Job", "CronJob"]
    assert [one["kind"] for one in cluster.objects(schedule="0 5 * * *", trigger="manual")] == ["ConfigMap", "CronJob"]
    assert cluster.objects(trigger="manual") == ()
    assert of_kind(scheduled, "CronJob")["spec"]["jobTemplate"]["spec"] == of_kind(once, "Job")["spec"]
    names = {of_kind(cluster.objects(functions=functions), "Job")["metadata"]["name"] for functions in (FUNCTIONS, FUNCTIONS, DAMAGED_FUNCTIONS)}
    assert len(names) == 2


@needs_java
def test_a_spark_applications_driver_joins_and_its_executors_score_as_a_job_does(cluster: Cluster, tmp_path: Path) -> None:
    rows = departures(30)
    cluster.lay_input(rows)
    with driving(cluster.objects(nodes=2), {**cluster.bucket.variables, "PODS": str(tmp_path)}) as driver:
        assert driver.wait() == 0, driver.log.read_text()
    assert cluster.predictions().read_bytes() == on_the_laptop(cluster, rows)[1].read_bytes()
