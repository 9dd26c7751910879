"""What a stream's driver writes, without Spark: its checkpoint, its parts, the list of a folder's files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet
import pytest

from mlx_runtime.cluster.storage import open_storage
from mlx_runtime.scorer import BLOCK
from mlx_runtime.stream import StreamError
from mlx_runtime.stream.checkpoint import Checkpoint
from mlx_runtime.stream.folder import MOST_FILES, File, FolderReader, rows_of
from mlx_runtime.stream.query import FAR_BEHIND, Backlog
from mlx_runtime.stream.sinks import Parts

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_next_driver_stands_where_the_last_one_stood(tmp_path: Path) -> None:
    storage, spark = open_storage(f"file://{tmp_path}/kept"), tmp_path / "spark"
    first = Checkpoint(spark, storage)
    assert first.restore() is None
    write(spark, metadata="id", sources_0_0="begin")
    first.keep_start()
    write(spark, offsets_0="v1", offsets_1="v1", commits_0="v1", **{"offsets_.0.crc": "sum"})
    first.keep(1)
    begun = Checkpoint(tmp_path / "second", storage)
    assert (begun.restore(), begun.done, begun.latest) == (1, -1, None)
    laid = {str(path.relative_to(begun.folder)): path.read_text() for path in begun.folder.rglob("*") if path.is_file()}
    assert laid == {"metadata": "id", "sources/0/0": "begin", "offsets/0": "v1", "offsets/1": "v1", "commits/0": "v1"}
    with pytest.raises(StreamError, match=r"^another driver follows this stream from where this one stands$"):
        first.finish(1, NOON)  # it was cut off, and goes on
    begun.finish(1, NOON)
    after = Checkpoint(tmp_path / "third", storage)
    assert (after.restore(), after.done, after.latest) == (1, 1, NOON)


def test_where_a_topic_is_begun_is_kept_before_its_first_rows_and_not_after_them(tmp_path: Path) -> None:
    storage = open_storage(f"file://{tmp_path}/kept")
    checkpoint = Checkpoint(tmp_path / "spark", storage)
    checkpoint.keep_start()
    assert storage.read_json("checkpoint.json") is None
    write(tmp_path / "spark", metadata="id", sources_0_0="begin")
    checkpoint.keep_start()
    assert storage.read_json("checkpoint.json") == {
        "driver": checkpoint.driver, "batch": -1, "done": -1, "files": {"metadata": "id", "sources/0/0": "begin"}, "latest": "",
    }  # fmt: skip
    write(tmp_path / "spark", offsets_0="v1")
    checkpoint.keep(0)
    kept = storage.read("checkpoint.json")
    checkpoint.keep_start()
    assert storage.read("checkpoint.json") == kept


def test_a_micro_batch_whose_offsets_spark_keeps_elsewhere_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"^Spark has not written the offsets of micro-batch 7$"):
        Checkpoint(tmp_path, open_storage(f"file://{tmp_path}/kept")).keep(7)


def test_a_part_takes_the_place_of_an_earlier_try_even_without_rows(tmp_path: Path) -> None:
    parts = Parts(open_storage(f"file://{tmp_path}"))
    rows = pyarrow.table({"_source": ["a#0"], "_key": [b"k"], "label": [True]})
    parts.put(3, rows)
    parts.put(4, rows.slice(0, 0))
    assert {path.name: parquet.read_table(path).to_pylist() for path in tmp_path.iterdir()} == {"part-0000000003.parquet": [{"_source": "a#0", "label": True}]}
    parts.put(3, rows.slice(0, 0))
    assert parquet.read_table(tmp_path / "part-0000000003.parquet").num_rows == 0


def test_a_folders_files_are_listed_once_and_a_part_of_many_at_a_time(tmp_path: Path) -> None:
    folder, seen = f"file://{tmp_path}/in", f"file://{tmp_path}/seen"
    (tmp_path / "in" / "day=1").mkdir(parents=True)
    for number in range(MOST_FILES + 1):
        (tmp_path / "in" / "day=1" / f"{number:03}.json").write_text("{}")
    reader = FolderReader(folder, seen)
    assert (reader.initialOffset(), reader.latestOffset()) == ({"files": 0}, {"files": MOST_FILES})
    (tmp_path / "in" / "a.json").write_text("{}\n\n{}")
    for hidden in ("_temporary/0/part-0.parquet", "_SUCCESS", ".b.json", "day=1/.tmp/x.json"):
        (tmp_path / "in" / hidden).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / hidden).write_text("{}")
    again = FolderReader(folder, seen)  # as another driver
    assert again.latestOffset() == again.latestOffset() == {"files": MOST_FILES + 2}
    new = again.partitions({"files": MOST_FILES}, {"files": MOST_FILES + 2})
    assert [file.key for file in new if isinstance(file, File)] == ["a.json", f"day=1/{MOST_FILES:03}.json"]
    assert [batch.to_pydict()["_source"] for batch in again.read(new[0])] == [["a.json#0", "a.json#1"]]
    assert json.loads((tmp_path / "seen" / f"{MOST_FILES:010}.json").read_text()) == ["a.json", f"day=1/{MOST_FILES:03}.json"]


def test_a_file_that_cannot_be_read_is_one_row_that_says_so_and_what_came_before_it_counts(tmp_path: Path) -> None:
    rows = pyarrow.table({"text": [f"{row:06}" * 20 for row in range(3 * BLOCK)], "at": pyarrow.array([NOON] * 3 * BLOCK)})
    parquet.write_table(rows, tmp_path / "whole.parquet", row_group_size=BLOCK, use_dictionary=False)
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "page.parquet").write_bytes(whole[: len(whole) // 2] + b"\xff" * 4096 + whole[len(whole) // 2 + 4096 :])
    (tmp_path / "footer.parquet").write_bytes(whole[:-200] + b"\xff" * 150 + whole[-50:])
    (tmp_path / "empty.parquet").write_bytes(b"")
    parquet.write_table(pyarrow.table({"at": pyarrow.array([2**62], pyarrow.timestamp("us"))}), tmp_path / "moment.parquet")
    (tmp_path / "empty.jsonl").write_bytes(b"\n\n")
    folder = open_storage(f"file://{tmp_path}")
    found = {key: [row for batch in rows_of(folder, key) for row in batch.to_pylist()] for key in folder.keys("")}
    assert (len(found["whole.parquet"]), found["empty.jsonl"]) == (3 * BLOCK, [])
    for key in ("footer.parquet", "empty.parquet", "moment.parquet"):
        (only,) = found[key]
        assert (only["_source"], only["_row"]) == (key, None)
        assert only["_reason"].startswith("the file cannot be read as Parquet: "), only
    *before, last = found["page.parquet"]
    assert [row["_reason"] for row in before] == [None] * BLOCK
    assert (last["_source"], last["_row"]) == (f"page.parquet#{BLOCK}", None)
    assert last["_reason"].startswith("the file cannot be read as Parquet from here on: ")


def test_a_backlog_is_told_of_where_it_grows_with_each_micro_batch() -> None:
    backlog = Backlog()
    told = [batch for batch in range(3 * FAR_BEHIND) for _ in range(2) if backlog.grows(batch, 10 * batch)]
    assert told == [FAR_BEHIND, 2 * FAR_BEHIND]
    assert not any(backlog.grows(100 + batch, 10 + batch % 2) for batch in range(3 * FAR_BEHIND))
