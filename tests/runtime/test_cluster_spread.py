"""`score` as a Spark application: parts of the rows on executors, against a real S3 server; the files are those of one node, to the byte."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet
import pytest
from made_flights import Packaged, strict
from made_scored import Cluster, cluster_with, numbered
from made_storage import Buckets
from proxy import Fault, Request, proxy_to
from spark_cluster import spark_cluster
from spark_driver import driving, environment_of, needs_java

from mlx_runtime.cluster.spread import PART
from mlx_runtime.scorer import BLOCK

pytestmark = needs_java
Models = Callable[[str], Packaged]
PARTS = 3
ROWS = (PARTS - 1) * PART * BLOCK + 500


@pytest.fixture
def cluster(buckets: Buckets, models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return cluster_with(buckets, models("logistic"), monkeypatch, tmp_path)


def spread(cluster: Cluster, code: int = 0) -> list[str]:
    """What the driver says."""
    with driving(cluster.objects(nodes=2), variables(cluster)) as driver:
        assert driver.wait() == code, driver.log.read_text()
    return driver.log.read_text().splitlines()


def variables(cluster: Cluster) -> Mapping[str, str]:
    pods = cluster.folder / "pods"
    pods.mkdir(exist_ok=True)
    return {**cluster.bucket.variables, "PODS": str(pods)}


def files(cluster: Cluster) -> dict[str, bytes]:
    """What a run has left."""
    return {path.name: path.read_bytes() for path in cluster.predictions().parent.iterdir()}


def of_one_node(cluster: Cluster) -> dict[str, bytes]:
    """What a Job leaves of the same rows."""
    shutil.rmtree(cluster.bucket.data / "predictions")
    code, log = cluster.run()
    assert code == 0, log
    return files(cluster)


def test_parts_on_executors_are_put_together_as_one_node_scores_them_and_nothing_is_scored_twice(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(ROWS))
    said = spread(cluster)
    assert f"{ROWS:,} rows in {PARTS} parts for Spark's executors" in said
    assert any(line.startswith(f"scored {ROWS:,} rows in ") for line in said)
    made = files(cluster)
    assert "this version has scored these rows: nothing to score" in spread(cluster)
    assert made == files(cluster) == of_one_node(cluster)
    assert (json.loads(made["manifest.json"])["rows"], sorted(made)) == (ROWS, ["manifest.json", "predictions.parquet", "rejected.parquet"])


def test_rows_that_cannot_be_scored_are_kept_with_the_reason_wherever_they_stand(
    buckets: Buckets, pack: Callable[..., Packaged], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster = cluster_with(buckets, strict(pack), monkeypatch, tmp_path)
    rows = numbered(ROWS).select(["flight", "hour", "carrier"])
    cluster.lay_rows(rows)
    assert any(line.endswith("rejected (see rejected.parquet)") for line in spread(cluster))
    made = files(cluster)
    rejected = parquet.read_table(pyarrow.BufferReader(made["rejected.parquet"]))["flight"].to_pylist()
    assert sorted({number // (PART * BLOCK) for number in rejected}) == list(range(PARTS))
    assert made == of_one_node(cluster)


def test_no_rows_are_no_predictions(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(5).slice(0, 0))
    spread(cluster)
    assert files(cluster) == of_one_node(cluster)


def test_executors_that_are_lost_cost_no_row(cluster: Cluster) -> None:
    """Both, while one fetches the rows and the other waits for it; Spark's worker starts others."""
    cluster.lay_rows(numbered(ROWS))
    pod = cluster.folder / "executors"
    pod.mkdir()
    manifests = cluster.objects(nodes=2)
    with proxy_to(cluster.bucket.port) as proxy:
        proxy.choose = stalls
        seen = {**cluster.bucket.variables, **cluster.bucket.by_proxy(proxy.port)}
        with spark_cluster(pod, environment_of("executor", manifests, seen, pod)) as spark, driving(manifests, variables(cluster), spark.url) as driver:
            assert proxy.stalled.wait(60), driver.log.read_text()
            proxy.choose = lambda _request: None
            lost = spark.executors()
            for executor in lost:
                os.kill(executor, signal.SIGKILL)
            assert driver.wait() == 0, driver.log.read_text()
    assert lost
    assert files(cluster) == of_one_node(cluster)


def stalls(request: Request) -> Fault | None:
    """Half of the rows arrive, and then nothing more happens."""
    return Fault.STALL if request.verb == "GET" and request.path.partition("?")[0].endswith("data.parquet") else None


def lacks_a_feature(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(20).drop(["hour"]))


def has_a_damaged_artifact(cluster: Cluster) -> None:
    cluster.lay_rows(numbered(20))
    cluster.storage.write(f"{cluster.artifact}/model.onnx", b"")


@pytest.mark.parametrize("wrong", [lacks_a_feature, has_a_damaged_artifact])
def test_what_is_wrong_is_said_in_the_words_of_one_node(cluster: Cluster, wrong: Callable[[Cluster], None]) -> None:
    wrong(cluster)
    assert errors(spread(cluster, 1)) == errors(cluster.run()[1]) != []
    assert not (cluster.bucket.data / "predictions").exists()


def errors(log: Sequence[str]) -> list[str]:
    """Without the folder of what is damaged, which is of the machine that fetched it."""
    return [line.rpartition("/")[2] for line in log if line.startswith("error:")]
