"""stacks/ENV.lock.yaml: written small and sorted, read with places."""

from pathlib import Path

import pytest

from mlx_specs.diagnostics import render
from mlx_specs.lock_file import lock_text, read_lock, write_lock
from mlx_specs.release import DataPin, Lock, ModelPin, Pins, Provenance, make_lock

ONE, TWO = "1" * 64, "a" * 64
"""Figures only: YAML must not read it as a number."""


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    (tmp_path / "stacks").mkdir()
    data = DataPin(name="flights", digest=TWO, rows=3)
    pin = ModelPin(
        fingerprint=ONE, artifact_digest=TWO, definition=TWO, engine="onnx", data=data, pipeline="tabular", ir_digest=TWO, code_digest=TWO,
        metrics={"roc_auc": 1.0, "log_loss": 1e-7},
    )  # fmt: skip
    gates = {"delay": ["roc_auc 1, at least 0.6"]}
    made = make_lock(Pins(models={"delay": pin}), Provenance(promoted_from="local", serial=TWO, by="ann@laptop", at="2026-01-02T03:04:05Z", gates=gates))
    write_lock(tmp_path, "prod", made)
    return made


def test_a_lock_is_small_sorted_and_says_who_writes_it(lock: Lock) -> None:
    assert (
        lock_text("prod", lock)
        == f"""\
# yaml-language-server: $schema=../specs/schema/ReleaseLock.json
# The release that environment prod runs, and nothing else. Written by `mlx promote` and `mlx rollback`: commit it.
apiVersion: mlx/v1
kind: ReleaseLock
release: {lock.release}
at: "2026-01-02T03:04:05Z"
by: "ann@laptop"
featureStores: {{}}
gates:
  delay:
    - "roc_auc 1, at least 0.6"
models:
  delay:
    artifactDigest: {TWO}
    codeDigest: {TWO}
    data:
      digest: {TWO}
      name: flights
      rows: 3
    definition: {TWO}
    engine: onnx
    fingerprint: "{ONE}"
    irDigest: {TWO}
    metrics:
      log_loss: 1e-07
      roc_auc: 1.0
    pipeline: tabular
pipelines: {{}}
promotedFrom: local
serial: {TWO}
"""
    )


def test_what_is_written_is_read_again(lock: Lock, tmp_path: Path) -> None:
    assert (read_lock(tmp_path, "prod"), read_lock(tmp_path, "staging")) == (lock, None)
    assert lock.pins.digest == lock.release


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("engine:", "engin:", ["stacks/prod.lock.yaml:21:5: error: unknown field 'engin', did you mean 'engine'?", "        engin: onnx", "        ^"]),
        (
            f"irDigest: {TWO}", f"irDigest: {TWO[1:]}",
            [
                f"stacks/prod.lock.yaml:23:15: error: expected a sha256 digest: 64 of the letters 0-9 and a-f, found '{TWO[:57]}...'",
                f"        irDigest: {TWO[1:]}", "                  ^",
            ],
        ),
        (
            "rows: 3", "rows: 4",
            [
                "stacks/prod.lock.yaml:5:10: error: the pins below are not those of this release: the file was edited",
                "    release: RELEASE", "             ^", "    = put the file back (git checkout), or promote again",
            ],
        ),
        (
            "engine: onnx", "engine: [onnx",
            [
                "stacks/prod.lock.yaml:21:13: error: a list that starts with '[' is not closed", "        engine: [onnx", "                ^",
                "    = close it with ']'",
            ],
        ),
    ],
)  # fmt: skip
def test_a_lock_that_was_edited_is_wrong_at_its_place(lock: Lock, tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    path = tmp_path / "stacks/prod.lock.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    found = read_lock(tmp_path, "prod")
    assert isinstance(found, list)
    assert "\n".join(map(render, found)).replace(lock.release, "RELEASE").splitlines() == said
