"""`stream` over Kafka: a real broker, the rendered driver as a process under Spark's local master, against a real S3 server."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from built_tools import free_port
from kafka_broker import KafkaBroker
from made_flights import Packaged
from made_scored import Cluster, cluster_with, numbered
from made_storage import Buckets
from made_stream import Start, as_lines, drivers, of_version
from spark_driver import ENDED, WITHIN

from mlx_runtime.stream import StreamError
from mlx_runtime.stream.kafka import reach, read_properties, sink_options, source_options

Models = Callable[[str], Packaged]


@pytest.fixture
def cluster(buckets: Buckets, models: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return cluster_with(buckets, models("forest"), monkeypatch, tmp_path)


@pytest.fixture
def start(cluster: Cluster, connector: Path, tmp_path: Path) -> Iterator[Start]:
    yield from drivers(cluster, tmp_path, sorted(connector.glob("*.jar")), {("kafka", "properties"): "client.id=mlx\n"})


def test_predictions_go_to_a_topic_under_the_keys_of_their_rows(cluster: Cluster, start: Start, kafka: KafkaBroker) -> None:
    kafka.make_topic("flights", 2)
    kafka.make_topic("delays")
    rows = numbered(30)
    lines = [json.dumps(row).encode() for row in as_lines(rows)]
    kafka.produce("flights", [(f"flight-{at}".encode(), line) for at, line in enumerate(lines)])
    kafka.produce("flights", [(b"flight-0", b"{"), (None, b"\xff"), (b"flight-1", None)])
    ends = {"source": f"kafka://{kafka.address}/flights", "sink": f"kafka://{kafka.address}/delays"}
    driver, followed = start(**ends, columns=["flight", "booked"], kafka={"kubernetes": {"name": "kafka", "key": "properties"}})
    driver.until(lambda: followed.checkpoint() == (0, 0))
    driver.end(signal.SIGKILL)
    carried = zip(rows["booked"].to_pylist(), of_version(cluster, rows), strict=True)
    wants = {f"flight-{at}": {"flight": str(at), "booked": booked.isoformat(), **said} for at, (booked, said) in enumerate(carried)}
    found = {message.key.decode(): json.loads(message.value) for message in kafka.messages("delays") if message.key and message.value}
    origins = [row.pop("_source") for row in found.values()]
    assert found == wants
    sent = [message for message in kafka.messages("flights") if message.value in lines]
    assert sorted(origins) == sorted(f"flights/{message.partition}/{message.offset}" for message in sent)
    assert sorted(followed.rows("rejected")["_reason"].to_pylist()) == [
        "it is empty", "it is not JSON: str is not valid UTF-8: surrogates not allowed: line 1 column 1 (char 0)",
        "it is not JSON: unexpected end of data: line 1 column 2 (char 1)",
    ]  # fmt: skip
    kafka.produce("flights", [(b"flight-30", lines[0])])
    driver, followed = start(**ends, columns=["flight", "booked"], kafka={"kubernetes": {"name": "kafka", "key": "properties"}})
    driver.until(lambda: followed.checkpoint() == (1, 1))
    assert driver.end() == ENDED
    assert [message.key for message in kafka.messages("delays")][30:] == [b"flight-30"]


def test_a_topic_is_begun_with_what_comes_from_then_on_where_that_is_asked_for(cluster: Cluster, start: Start, kafka: KafkaBroker) -> None:
    """Rows that come while no driver runs are not lost, even before the first micro-batch."""
    kafka.make_topic("late-begun")
    kafka.produce("late-begun", [(b"old", b'{"hour": 5}')])
    driver, followed = start(source=f"kafka://{kafka.address}/late-begun", start="latest")
    driver.until(lambda: (followed.folder / "checkpoint" / "checkpoint.json").is_file())
    driver.end(signal.SIGKILL)
    kafka.produce("late-begun", [(b"new", b'{"hour": 7}')])
    driver, followed = start(source=f"kafka://{kafka.address}/late-begun", start="latest")
    driver.until(lambda: followed.checkpoint() == (0, 0))
    assert driver.end() == ENDED
    assert followed.rows()["_source"].to_pylist() == ["late-begun/0/1"]


def test_a_topic_that_is_not_there_is_said_in_a_line(cluster: Cluster, start: Start, kafka: KafkaBroker) -> None:
    driver, _ = start(source=f"kafka://{kafka.address}/nowhere")
    assert driver.process.wait(WITHIN) == 1
    assert driver.said[1:] == [
        f"error: Inference/live: the brokers know no topic kafka://{kafka.address}/nowhere",
        "hint: create it, or correct the stream's source and sink",
    ]


def test_brokers_that_nobody_reaches_are_named_at_once() -> None:
    ports = free_port(), free_port()
    url = f"kafka://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/flights"
    with pytest.raises(StreamError) as refused:
        reach(url)
    assert str(refused.value) == f"no broker of {url} is reached: " + ", ".join(f"127.0.0.1:{port}: Connection refused" for port in ports)


def test_a_clients_properties_become_options_of_spark() -> None:
    text = '# ours\n\nsecurity.protocol=SASL_SSL\n sasl.jaas.config = a.Module required \\\n   password="x=y";\n! theirs\n'
    properties = read_properties(text)
    assert properties == {"security.protocol": "SASL_SSL", "sasl.jaas.config": 'a.Module required password="x=y";'}
    assert source_options("kafka://a:1,b:2/in", "latest", {"client.id": "mlx"}) == {
        "kafka.client.id": "mlx", "kafka.bootstrap.servers": "a:1,b:2", "subscribe": "in", "startingOffsets": "latest", "maxOffsetsPerTrigger": "100000",
    }  # fmt: skip
    assert sink_options("kafka://a:1/out", {}) == {"kafka.bootstrap.servers": "a:1", "topic": "out"}


def test_a_line_that_is_no_property_is_named_without_what_it_says() -> None:
    with pytest.raises(StreamError, match=r"^line 2 of the Kafka client's properties has no '='$"):
        read_properties("a=b\nhunter2\n")
