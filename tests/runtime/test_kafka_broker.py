"""The broker that tests of streams run against keeps what is written to it: a stream that loses a message did so itself."""

from kafka_broker import KafkaBroker, Message


def test_what_was_written_is_read_by_partition_and_in_order(kafka: KafkaBroker) -> None:
    kafka.make_topic("flights", partitions=3)
    written = [(key, value) for key in (b"EWR", b"JFK", b"LGA", None) for value in (b"1", b"2")]
    kafka.produce("flights", written)
    read = kafka.messages("flights")
    assert sorted((one.key or b"", one.value) for one in read) == sorted((key or b"", value) for key, value in written)
    for key in (b"EWR", b"JFK", b"LGA"):
        first, second = (one for one in read if one.key == key)
        assert (first.value, second.value, first.partition) == (b"1", b"2", second.partition)
        assert first.offset < second.offset


def test_a_topic_outlives_its_broker(kafka: KafkaBroker) -> None:
    kafka.make_topic("kept")
    kafka.produce("kept", [(b"key", b"value"), (b"key", None)])
    kafka.end()
    kafka.start()
    assert kafka.messages("kept") == [Message(b"key", b"value", 0, 0), Message(b"key", None, 0, 1)]
    kafka.produce("kept", [(None, b"later")])
    assert kafka.messages("kept")[2:] == [Message(None, b"later", 0, 2)]


def test_a_topic_is_empty_until_something_is_written(kafka: KafkaBroker) -> None:
    kafka.make_topic("empty", partitions=2)
    assert kafka.messages("empty") == []
