"""What every store of state does alike: a folder, and each kind of bucket with a real server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from buckets import KINDS
from servers import Server

from mlx_engine.state.blobs import ABSENT, Blob, Blobs, Conflict, open_blobs
from mlx_engine.state.buckets.place import QUERIES
from mlx_specs.state import BUCKET_QUERIES


@pytest.fixture(params=["folder", *KINDS])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, servers: Any) -> Iterator[Blobs]:
    if request.param == "folder":
        yield open_blobs(tmp_path)
        return
    server: Server = servers(request.param)
    yield open_blobs(server.url(f"blobs-{tmp_path.name}"))


def test_what_is_written_is_read_with_its_version(blobs: Blobs) -> None:
    version = blobs.write("a/b.json", b"1")
    assert blobs.read("a/b.json") == Blob(b"1", version)
    assert blobs.read("a/c.json") is None


def test_a_write_happens_only_where_the_expected_version_stands(blobs: Blobs) -> None:
    first = blobs.write("a.json", b"1", ABSENT)
    second = blobs.write("a.json", b"22", first)
    for expected in (ABSENT, first):
        with pytest.raises(Conflict):
            blobs.write("a.json", b"333", expected)
    with pytest.raises(Conflict):
        blobs.write("never.json", b"1", first)
    assert (blobs.read("a.json"), blobs.read("never.json")) == (Blob(b"22", second), None)


def test_a_removal_takes_only_the_expected_version(blobs: Blobs) -> None:
    first = blobs.write("a.json", b"1")
    second = blobs.write("a.json", b"22")
    with pytest.raises(Conflict):
        blobs.remove("a.json", first)
    blobs.remove("a.json", second)
    blobs.remove("a.json", second)
    blobs.remove("a.json")
    assert blobs.read("a.json") is None


def test_keys_are_those_directly_below_a_folder(blobs: Blobs) -> None:
    for key in ("f/b.json", "f/a.json", "f/a.json.bak", "f/deeper/c.json", "fg/d.json"):
        blobs.write(key, b"")
    assert blobs.keys("f", ".json") == ["f/a.json", "f/b.json"]
    assert blobs.keys("nowhere", ".json") == []


def test_of_many_who_create_at_once_exactly_one_does(servers: Any, tmp_path: Path) -> None:
    for kind in KINDS:
        blobs = open_blobs(servers(kind).url(f"race-{tmp_path.name}"))
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda at, blobs=blobs: _creates(blobs, str(at).encode()), range(8)))
        assert won.count(True) == 1, kind
        assert blobs.read("one.json") is not None


def test_a_large_checkpoint_comes_back_whole(blobs: Blobs) -> None:
    data = bytes(range(256)) * 40_000
    blobs.write("large.json", data)
    found = blobs.read("large.json")
    assert found is not None
    assert found.data == data


def test_the_specs_and_the_engine_know_the_same_words_in_a_url() -> None:
    assert BUCKET_QUERIES == QUERIES


def _creates(blobs: Blobs, data: bytes) -> bool:
    try:
        blobs.write("one.json", data, ABSENT)
    except Conflict:
        return False
    return True
