"""A release's bytes on their way to a storage and to another machine: whole, verified, or told."""

import json
from pathlib import Path

import pytest

from mlx_pipelines.contract import HELD_OUT
from mlx_runtime.artifact import write_artifact
from mlx_specs import layout
from mlx_specs.artifact import ModelFile
from mlx_specs.base import Metadata
from mlx_specs.environment import Environment, EnvironmentSpec, Images, KubernetesTarget
from mlx_specs.release import DataPin, ModelPin, Pins, PipelinePin, ReleasedRun, ReleaseFile
from mlx_stacks import release_storage as bytes_of
from mlx_stacks.releases import ReleaseError, read_release, sha256, write_release

HOME, FINGERPRINT, ANY = ".mlx/prod", "f" * 64, "a" * 64


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


@pytest.fixture
def prod(storage: Path) -> Environment:
    """A pinned environment on a cluster, whose storage is a folder."""
    images = Images(registry="registry.example.com/mlx", runtime=f"sha256:{ANY}", pipelines=f"sha256:{ANY}")
    fields = {"cluster": "main", "namespace": "prod", "storage": f"file://{storage}", "images": images}
    target = KubernetesTarget.model_construct(type="kubernetes", **fields)
    return Environment.model_construct(metadata=Metadata(name="prod"), spec=EnvironmentSpec.model_construct(models="pinned", target=target))


@pytest.fixture
def pin(tmp_path: Path) -> ModelPin:
    """A version on the machine ``here``."""
    model = ModelFile(
        model="delay", fingerprint=FINGERPRINT, task="regression", target="y", inputs=[], outputs=[], engine="onnx", engine_file="model.onnx", example={}
    )
    made = write_artifact(tmp_path / "here" / layout.artifact(HOME, "delay", FINGERPRINT), model, {"model.onnx": b"weights"})
    run = tmp_path / "here" / layout.run(HOME, "delay", FINGERPRINT)
    run.mkdir(parents=True)
    (run / HELD_OUT).write_bytes(b"rows")
    return ModelPin(
        fingerprint=FINGERPRINT, artifact_digest=made, definition=ANY, engine="onnx", data=DataPin(name="rows", digest=ANY), pipeline="tabular",
        ir_digest=ANY, code_digest=ANY, held_out=sha256(run / HELD_OUT),
    )  # fmt: skip


@pytest.fixture
def release(tmp_path: Path, pin: ModelPin) -> ReleaseFile:
    """The release of it, on the same machine; definitions are of no interest here."""
    pins = Pins(models={"delay": pin}, pipelines={"tabular": PipelinePin(definition=ANY, ir_digest=ANY, code_digest=ANY)})
    made = ReleaseFile(pins=pins, runs={"delay": ReleasedRun(run_id="r", version="3")})
    (tmp_path / "pipeline.yaml").write_text("ir")
    write_release(tmp_path / "here", HOME, made, {f"pipelines/tabular/{ANY}.yaml": tmp_path / "pipeline.yaml"})
    return made


def test_what_one_machine_has_sent_another_one_fetches_whole(tmp_path: Path, prod: Environment, pin: ModelPin, release: ReleaseFile) -> None:
    here, there, name = tmp_path / "here", tmp_path / "there", release.pins.digest
    bytes_of.send_model(here, prod, "delay", pin)
    bytes_of.send_release(here, prod, name)
    bytes_of.fetch_release(there, prod, name)
    bytes_of.fetch_model(there, prod, "delay", pin.fingerprint, pin.artifact_digest)
    for folder in (layout.artifact(HOME, "delay", FINGERPRINT), layout.run(HOME, "delay", FINGERPRINT), layout.release(HOME, name)):
        assert files_in(there / folder) == files_in(here / folder)
    assert bytes_of.is_kept(tmp_path / "elsewhere", prod, name)


def test_what_is_not_sent_is_not_there(tmp_path: Path, prod: Environment, pin: ModelPin, release: ReleaseFile) -> None:
    storage = bytes_of.storage_of(prod)
    assert storage is not None
    assert not bytes_of.is_sent(storage, "delay", pin)
    assert not bytes_of.is_kept(tmp_path / "elsewhere", prod, release.pins.digest)
    bytes_of.fetch_release(tmp_path / "elsewhere", prod, release.pins.digest)
    with pytest.raises(ReleaseError, match=f"release {release.pins.digest[:12]} is not on this machine"):
        read_release(tmp_path / "elsewhere", HOME, release.pins.digest)
    bytes_of.send_model(tmp_path / "here", prod, "delay", pin)
    assert bytes_of.is_sent(storage, "delay", pin)


def test_bytes_that_somebody_changed_in_the_storage_are_told(tmp_path: Path, prod: Environment, pin: ModelPin, release: ReleaseFile, storage: Path) -> None:
    here, name = tmp_path / "here", release.pins.digest
    bytes_of.send_model(here, prod, "delay", pin)
    bytes_of.send_release(here, prod, name)
    (storage / "models/delay" / FINGERPRINT / "model.onnx").write_bytes(b"other")
    with pytest.raises(ReleaseError, match=r"Model/delay: .*/model\.onnx has sha256 .* expected"):
        bytes_of.fetch_model(tmp_path / "there", prod, "delay", pin.fingerprint, pin.artifact_digest)
    (storage / "releases" / name / f"pipelines/tabular/{ANY}.yaml").write_text("other")
    with pytest.raises(ReleaseError, match=f"releases/{name}/pipelines/tabular/{ANY}.yaml has sha256 .* expected"):
        bytes_of.fetch_release(tmp_path / "there", prod, name)
    assert not (tmp_path / "there" / layout.release(HOME, name)).exists()


def test_a_fetched_artifact_that_was_damaged_here_is_fetched_again(tmp_path: Path, prod: Environment, pin: ModelPin) -> None:
    bytes_of.send_model(tmp_path / "here", prod, "delay", pin)
    damaged = tmp_path / "here" / layout.artifact(HOME, "delay", FINGERPRINT) / "model.onnx"
    damaged.write_bytes(b"cut off")
    bytes_of.fetch_model(tmp_path / "here", prod, "delay", pin.fingerprint, pin.artifact_digest)
    assert damaged.read_bytes() == b"weights"


def test_on_a_laptop_the_folder_is_all_there_is(tmp_path: Path, pin: ModelPin, release: ReleaseFile) -> None:
    local = Environment.model_construct(metadata=Metadata(name="prod"), spec=EnvironmentSpec(models="pinned"))
    before = files_in(tmp_path)
    bytes_of.fetch_release(tmp_path / "here", local, release.pins.digest)
    bytes_of.send_model(tmp_path / "here", local, "delay", pin)
    assert bytes_of.storage_of(local) is None
    assert files_in(tmp_path) == before


def files_in(folder: Path) -> dict[str, bytes]:
    """Without the list of what a run has sent, which only a storage has."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_list_of_files_is_json(tmp_path: Path, prod: Environment, pin: ModelPin, storage: Path) -> None:
    bytes_of.send_model(tmp_path / "here", prod, "delay", pin)
    assert json.loads((storage / "runs/delay" / FINGERPRINT / "files.json").read_text()) == {HELD_OUT: pin.held_out}
