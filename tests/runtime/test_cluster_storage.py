"""The environment's storage on real servers of each kind: a folder is there when its manifest is, and what comes back is what was sent."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_storage import Bucket

from mlx_runtime.cluster.storage import StorageError, open_storage, sha256

KINDS = ("s3", "azblob", "gs", "file")
Buckets = Callable[[str], Bucket]


@pytest.fixture(params=KINDS)
def bucket(request: pytest.FixtureRequest, buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    found = buckets(request.param)
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    yield found


def folder(path: Path, **files: str) -> Path:
    """Files and the manifest that names them."""
    path.mkdir()
    for name, content in files.items():
        (path / name).write_text(content)
    facts = {name: {"sha256": sha256(path / name)} for name in files}
    (path / "manifest.json").write_text(json.dumps({"files": facts}))
    return path


def test_what_is_sent_is_fetched_and_what_is_not_there_is_none(bucket: Bucket, tmp_path: Path) -> None:
    storage = open_storage(bucket.url)
    assert storage.read("a/b.json") is None
    assert not storage.fetch("a/b.json", tmp_path / "b.json")
    storage.write_json("a/b.json", {"b": 1})
    storage.write_json("a/b.json", {"b": 2})
    assert storage.read_json("a/b.json") == {"b": 2}
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1 << 20))
    storage.store.send(big, f"{storage.prefix}big")
    assert storage.fetch("big", tmp_path / "again", sha256(big))
    assert (tmp_path / "again").read_bytes() == big.read_bytes()


def test_what_is_in_a_folder_is_listed_and_nothing_beside_it(bucket: Bucket) -> None:
    storage = open_storage(bucket.url)
    for key in ("log/a/2", "log/a/1", "log/a/b/3", "log/ab/4", "log.json"):
        storage.write(key, b"x")
    assert storage.keys("log/a") == ["log/a/1", "log/a/2", "log/a/b/3"]
    assert storage.keys("nothing") == []


def test_a_folder_is_sent_with_its_manifest_last_and_only_what_differs(bucket: Bucket, tmp_path: Path) -> None:
    storage, sent = open_storage(bucket.url), list[str]()

    class Watched:
        failures = storage.store.failures

        def read(self, key: str) -> bytes | None:
            return storage.store.read(key)

        def write(self, key: str, data: bytes) -> None:
            sent.append(Path(key).name)
            storage.store.write(key, data)

        def fetch(self, key: str, path: Path) -> bool:
            return storage.store.fetch(key, path)

        def send(self, path: Path, key: str) -> None:
            sent.append(Path(key).name)
            storage.store.send(path, key)

    from dataclasses import replace

    watched = replace(storage, store=Watched())
    for expected in (["one", "two", "manifest.json"], []):
        sent.clear()
        watched.send_folder(folder(tmp_path / f"made{len(expected)}", one="1", two="2"), "folder")
        assert sent == expected
    sent.clear()
    watched.send_folder(folder(tmp_path / "other", one="1", two="3"), "folder")
    assert sent == ["two", "manifest.json"]


def test_bytes_that_are_not_those_of_the_manifest_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    storage = open_storage(bucket.url)
    storage.write("rows", b"changed")
    with pytest.raises(StorageError) as caught:
        storage.fetch("rows", tmp_path / "rows", "0" * 64)
    assert str(caught.value).endswith(f"has sha256 {sha256(tmp_path / 'rows')}, expected {'0' * 64}: it is not what was written there")


@pytest.mark.parametrize("kind", ["s3", "azblob", "gs"])
def test_a_bucket_that_is_not_there_is_said(kind: str, buckets: Buckets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = buckets(kind)
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    storage = open_storage(f"{kind}://nobody/prefix")
    (tmp_path / "a").write_text("a")
    for ask in (lambda: storage.read("a"), lambda: storage.fetch("a", tmp_path / "b"), lambda: storage.write("a", b"a")):
        with pytest.raises(StorageError) as caught:
            ask()
        assert str(caught.value) == f"{kind}://nobody/prefix: there is no such bucket"


REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "a wrong key": ("s3", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "s3://state/x/a could not be read: "),
    "no credentials": ("s3", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}, "s3://state/x/a could not be read: "),
    "a wrong account key": ("azblob", {"AZURE_STORAGE_KEY": "d3Jvbmc="}, "azblob://state/x/a could not be read: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_sentence_with_a_way_out(name: str, buckets: Buckets) -> None:
    """In a process of its own: clients keep credentials."""
    kind, wrong, message = REFUSED[name]
    program = "from mlx_runtime.cluster.storage import open_storage; open_storage(__import__('sys').argv[1]).read('a')"
    env: dict[str, Any] = {**os.environ, **buckets(kind).variables, "HOME": "/nonexistent", **wrong}
    env = {key: value for key, value in env.items() if value}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    said = subprocess.run([sys.executable, "-c", program, f"{kind}://state/x"], env=env, capture_output=True, text=True, timeout=60, check=False).stderr
    last = said.strip().splitlines()[-1]
    assert last.startswith(f"mlx_runtime.cluster.storage.StorageError: {message}"), said


def test_a_url_that_is_no_storage_is_refused() -> None:
    with pytest.raises(StorageError, match="'ftp://a/b' is no storage"):
        open_storage("ftp://a/b")
