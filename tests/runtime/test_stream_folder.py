"""`stream` over a folder: the rendered driver as a process under Spark's local master, against a real S3 server."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet
import pytest
from made_flights import Packaged
from made_scored import Cluster, cluster_with, laid, numbered
from made_storage import Buckets
from made_stream import Start, add_lines, as_lines, drivers, of_version, stream_manifests
from spark_cluster import EXECUTORS, spark_cluster
from spark_driver import ENDED, WITHIN, environment_of, needs_java

pytestmark = needs_java
NO_PARQUET = "Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file."
Models = Callable[[str], Packaged]


@pytest.fixture
def cluster(buckets: Buckets, models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return cluster_with(buckets, models("forest"), monkeypatch, tmp_path)


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Start]:
    yield from drivers(cluster, tmp_path, source=f"{cluster.bucket.url}/in")


def test_files_are_scored_once_as_they_come_and_rows_that_cannot_be_are_put_aside(cluster: Cluster, start: Start) -> None:
    folder, rows = cluster.bucket.data / "in", numbered(40)
    add_lines(folder, "a.jsonl", as_lines(rows.slice(0, 20)))
    parquet.write_table(rows.slice(20), folder / "b.parquet")
    driver, followed = start(columns=["flight", "carrier", "booked"])
    driver.until(lambda: followed.count() == 40)
    add_lines(folder, "c.jsonl", ["{", {"distance": "far"}, "[]", {"carrier": "UA", "booked": "yesterday"}, {"hour": 7}, {"hour": 7.5}])
    (folder / "d.csv").write_text("a,b\n")
    (folder / "e.parquet").write_text("no Parquet")
    (folder / "_done").write_text("")
    driver.until(lambda: followed.count("rejected") == 7)
    assert driver.end() == ENDED
    carried = rows.select(["flight", "carrier", "booked"]).to_pylist()
    sources = [f"{name}#{row}" for name in ("a.jsonl", "b.parquet") for row in range(20)]
    expected = [
        {"_source": source, **kept, "flight": str(kept["flight"]), **said}
        for source, kept, said in zip(sources, carried, of_version(cluster, rows), strict=True)
    ]
    lone = rows.slice(0, 1).set_column(1, "hour", [[7]])
    for at, name in ((0, "distance"), (2, "refundable"), (3, "booked"), (4, "carrier")):
        lone = lone.set_column(at, name, pyarrow.nulls(1, lone.schema.field(name).type))
    expected.append({"_source": "c.jsonl#4", "flight": None, "carrier": None, "booked": None, **of_version(cluster, lone)[0]})
    assert followed.rows().to_pylist() == sorted(expected, key=lambda row: row["_source"])
    assert followed.rows("rejected").to_pylist() == [
        {"_source": "c.jsonl#0", "_row": "{", "_reason": "it is not JSON: unexpected end of data: line 1 column 2 (char 1)"},
        {"_source": "c.jsonl#1", "_row": '{"distance": "far"}', "_reason": "tensor 'distance': 'far' is not a number or null"},
        {"_source": "c.jsonl#2", "_row": "[]", "_reason": "it is not a JSON object"},
        {
            "_source": "c.jsonl#3",
            "_row": '{"carrier": "UA", "booked": "yesterday"}',
            "_reason": "tensor 'booked': 'yesterday' is not a time in ISO 8601 or null",
        },
        {"_source": "c.jsonl#5", "_row": '{"hour": 7.5}', "_reason": "tensor 'hour': 7.5 is not a whole number or null"},
        {"_source": "d.csv", "_row": None, "_reason": "the file is none of rows: its name ends in none of .json, .jsonl, .ndjson, .parquet"},
        {
            "_source": "e.parquet",
            "_row": None,
            "_reason": f"the file cannot be read as Parquet: {NO_PARQUET}",
        },
    ]
    assert driver.said[:2] == [f"following {cluster.bucket.url}/in, from its earliest rows on", "micro-batch 0: 40 rows scored by version 4"]


def test_executors_that_are_processes_of_their_own_score_and_one_that_is_lost_costs_no_row(cluster: Cluster, start: Start, tmp_path: Path) -> None:
    folder, rows, pod = cluster.bucket.data / "in", numbered(40), tmp_path / "executors"
    pod.mkdir()
    add_lines(folder, "a.jsonl", as_lines(rows.slice(0, 20)))
    rendered = stream_manifests(cluster, {"source": f"{cluster.bucket.url}/in"})
    with spark_cluster(pod, environment_of("executor", rendered, cluster.bucket.variables, pod)) as spark:
        driver, followed = start(master=spark.url, columns=["flight"])
        driver.until(lambda: followed.count() == 20 and len(spark.executors()) == EXECUTORS)
        lost, _ = spark.executors()
        os.kill(lost, signal.SIGKILL)
        add_lines(folder, "b.jsonl", as_lines(rows.slice(20)))
        driver.until(lambda: followed.count() == 40 and len(spark.executors()) == EXECUTORS)
        assert lost not in spark.executors()
        assert driver.end() == ENDED
    expected = [{"flight": str(number), **said} for number, said in enumerate(of_version(cluster, rows))]
    assert sorted(followed.rows().drop(["_source"]).to_pylist(), key=lambda row: int(row["flight"])) == expected


def test_whatever_dies_when_every_row_is_scored_exactly_once(cluster: Cluster, start: Start, models: Models) -> None:
    """One dies when it has begun a micro-batch, one when it has written the part, one when the micro-batch is done; the last one has another version."""
    folder, rows = cluster.bucket.data / "in", numbered(40)
    dies = [lambda followed: followed.checkpoint() == (0, -1), lambda followed: followed.count() == 20, lambda followed: followed.checkpoint() == (2, 2)]
    for at, moment in enumerate(dies):
        add_lines(folder, f"{at}.jsonl", as_lines(rows.slice(10 * at, 10)))
        driver, followed = start(columns=["flight"])
        driver.until(lambda followed=followed, moment=moment: moment(followed))
        driver.end(signal.SIGKILL)
    add_lines(folder, "3.jsonl", as_lines(rows.slice(30)))
    newer = laid(cluster.bucket, cluster.folder, models("shallow"), "5")
    driver, followed = start(newer, columns=["flight"])
    driver.until(lambda: followed.checkpoint() == (3, 3))
    assert driver.end() == ENDED
    found = followed.rows()
    assert found["_source"].to_pylist() == [f"{at}.jsonl#{row}" for at in range(4) for row in range(10)]
    assert found.drop(["_source", "flight"]).to_pylist() == [*of_version(cluster, rows.slice(0, 30)), *of_version(newer, rows.slice(30))]
    assert driver.said == [f"following {cluster.bucket.url}/in, from micro-batch 3 on", "micro-batch 3: 10 rows scored by version 5"]


def test_rows_that_come_later_than_the_watermark_are_put_aside(cluster: Cluster, start: Start) -> None:
    folder = cluster.bucket.data / "in"
    add_lines(folder, "a.jsonl", [{"hour": 7, "booked": "2013-05-01T12:00:00"}, {"hour": 8, "booked": "2013-05-01T06:00:00Z"}])
    driver, followed = start(columns=["booked"], watermark="1h")
    driver.until(lambda: followed.checkpoint() == (0, 0))  # nothing is late in the first one: nothing was seen before it
    add_lines(folder, "b.jsonl", [{"hour": 7, "booked": "2013-05-01T10:59:00Z"}, {"hour": 8, "booked": "2013-05-01T13:00:00+02:00"}, {"hour": 9}])
    driver.until(lambda: followed.checkpoint() == (1, 1))
    assert driver.end() == ENDED
    assert followed.rows()["_source"].to_pylist() == ["a.jsonl#0", "a.jsonl#1", "b.jsonl#1", "b.jsonl#2"]
    (late,) = followed.rows("rejected").to_pylist()
    assert late["_reason"] == "it is late: 2013-05-01T10:59:00+00:00 lies before 2013-05-01T11:00:00+00:00"


def test_what_cannot_be_begun_says_why_in_a_line(cluster: Cluster, start: Start) -> None:
    driver, _ = start(columns=["label"])
    assert driver.process.wait(WITHIN) == 1
    assert driver.said[1:] == [
        "error: Inference/live: column 'label' has the name of a prediction",
        "hint: take it out of stream.columns, or send it by another name",
    ]
    (cluster.bucket.data / cluster.artifact / "model.json").write_text("{}")
    driver, _ = start()
    assert driver.process.wait(WITHIN) == 1
    assert driver.said[1].startswith("error: Inference/live: ") and "model.json" in driver.said[1]
