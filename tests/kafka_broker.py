"""A Kafka broker on 127.0.0.1, for tests of what reads a topic: one node that is its own controller, and a client in Python.

``tools/kafka`` pins its jars. What it holds lies in a folder of the test's and ends with it.
"""

import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from built_tools import Tell, end_with_parent, free_port, resolved
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

LIMIT = 90.0
"""Seconds within which it starts, ends or hands over what a topic holds; alone on two cores it starts in four."""
CLUSTER = "bWx4LXRlc3RzLWthZmthLQ"
"""An id as Kafka has them: 16 bytes in base64."""
QUICK = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
"""Little memory, and no thorough compilation of what runs for seconds."""
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


@dataclass(frozen=True)
class Message:
    """One that a topic holds."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int


@dataclass
class KafkaBroker:
    """One that can be ended and started again on its port, with what it held."""

    port: int
    folder: Path
    java: Sequence[str]
    """The command, up to the class that it runs."""
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        """As clients have it: HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [*self.java, "kafka.Kafka", str(self.folder / "server.properties")],
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        deadline = time.monotonic() + LIMIT
        while not self._answers():
            assert self._process.poll() is None, f"Kafka ended with {self._process.returncode}: {(self.folder / 'log').read_text()}"
            assert time.monotonic() < deadline, f"Kafka did not answer within {LIMIT:g} s: {(self.folder / 'log').read_text()}"

    def end(self) -> None:
        """In order: connections are cut, everything is written."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(LIMIT)
            self._process = None

    def make_topic(self, name: str, partitions: int = 1) -> None:
        """It can be written and read at once."""
        with closing(self._admin()) as admin:
            admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)

    def produce(self, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Keys and values, in their order; the same key goes to the same partition. They are there when it returns."""
        with closing(KafkaProducer(bootstrap_servers=self.address)) as producer:
            sent = [producer.send(topic, key=key, value=value) for key, value in messages]
            producer.flush()
            for one in sent:
                one.get(timeout=LIMIT)

    def messages(self, topic: str) -> list[Message]:
        """All that the topic holds, by partition and offset."""
        with closing(KafkaConsumer(bootstrap_servers=self.address, group_id=None)) as consumer:
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            assert partitions, f"{topic} is no topic"
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            found, ends, deadline = list[Message](), consumer.end_offsets(partitions), time.monotonic() + LIMIT
            while any(consumer.position(partition) < end for partition, end in ends.items()):
                assert time.monotonic() < deadline, f"{len(found)} messages of {topic} within {LIMIT:g} s, up to {ends}"
                for records in consumer.poll(timeout_ms=1000).values():
                    found += [Message(one.key, one.value, one.partition, one.offset) for one in records]
        return sorted(found, key=lambda one: (one.partition, one.offset))

    def _answers(self) -> bool:
        with suppress(KafkaError), closing(self._admin(within=1000)) as admin:
            return bool(admin.describe_cluster()["brokers"])
        return False

    def _admin(self, within: int = 30_000) -> KafkaAdminClient:
        """It knocks every 50 ms until the broker answers, for that many ms."""
        return KafkaAdminClient(bootstrap_servers=self.address, bootstrap_timeout_ms=within, reconnect_backoff_max_ms=50)


@contextmanager
def kafka_broker(folder: Path, tell: Tell) -> Iterator[KafkaBroker]:
    """It ends with the block. Raises ``NoTool`` where Maven or Java is missing."""
    java = ["java", *QUICK, "-cp", f"{resolved('kafka', tell)}/*"]
    broker = KafkaBroker(free_port(), folder, java)
    properties = folder / "server.properties"
    properties.write_text(PROPERTIES.format(port=broker.port, controller=free_port(), data=folder / "data"))
    subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(properties)], check=True, stdout=subprocess.DEVNULL)
    try:
        broker.start()
        yield broker
    finally:
        broker.end()
