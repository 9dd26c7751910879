"""An artifact is whole and is what its digest says, or nothing of it is opened."""

import hashlib
import json
from pathlib import Path

import pytest

from mlx_runtime.artifact import ArtifactError, digest_of, verify, write_artifact
from mlx_specs.artifact import ModelFile, Tensor

MODEL = ModelFile(
    model="delay", fingerprint="f1", task="regression", target="y", inputs=[Tensor(name="x", datatype="FP64", type="float")],
    outputs=[Tensor(name="prediction", datatype="FP32", type="float", nullable=False)], engine="onnx", engine_file="model.onnx", example={"x": [1.0]},
)  # fmt: skip


def test_what_is_written_is_verified_and_read_back(tmp_path: Path) -> None:
    digest = write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"graph"})
    assert verify(tmp_path / "a", digest) == MODEL
    assert digest_of(tmp_path / "a") == digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_the_same_content_gives_the_same_digest_and_is_not_written_twice(tmp_path: Path) -> None:
    digest = write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"graph"})
    written = (tmp_path / "a" / "manifest.json").stat()
    assert write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"graph"}) == digest
    assert (tmp_path / "a" / "manifest.json").stat().st_ino == written.st_ino


def test_another_packaging_of_the_same_fingerprint_takes_its_place(tmp_path: Path) -> None:
    first = write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"graph"})
    second = write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"another"})
    assert first != second
    assert verify(tmp_path / "a", second) == MODEL
    with pytest.raises(ArtifactError, match=f"has sha256 {second}, expected {first}"):
        verify(tmp_path / "a", first)


def test_a_corrupted_file_is_named_with_both_digests(tmp_path: Path) -> None:
    digest = write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"graph"})
    expected = json.loads((tmp_path / "a" / "manifest.json").read_bytes())["model.onnx"]["sha256"]
    (tmp_path / "a" / "model.onnx").write_bytes(b"grapH")
    with pytest.raises(ArtifactError) as caught:
        verify(tmp_path / "a", digest)
    found = hashlib.sha256(b"grapH").hexdigest()
    assert str(caught.value) == f"{tmp_path / 'a' / 'model.onnx'} has sha256 {found}, expected {expected}: the file is corrupted"
    assert caught.value.hint == "mlx refresh, then mlx apply: the model is packaged again"


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    digest = write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"graph"})
    (tmp_path / "a" / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx is missing"):
        verify(tmp_path / "a", digest)
    with pytest.raises(ArtifactError, match=r"b/manifest\.json cannot be read \(No such file or directory\)"):
        verify(tmp_path / "b", digest)


def test_an_interrupted_write_leaves_the_old_artifact(tmp_path: Path) -> None:
    digest = write_artifact(tmp_path / "a", MODEL, {"model.onnx": b"graph"})
    with pytest.raises(FileNotFoundError):
        write_artifact(tmp_path / "a", MODEL, {"model.onnx": tmp_path / "is-not-there"})
    assert verify(tmp_path / "a", digest) == MODEL
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
