"""A batch run: what fits is scored, what does not is kept with its reason, and the folder is committed whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from made_flights import Packaged, boosting, flights, late, strict

from mlx_runtime.batch import BatchError, score_dataset
from mlx_runtime.batch.run import run_digest
from mlx_runtime.scorer import BLOCK, load
from mlx_specs.inference_resources import BatchPredictionsInputs, BatchPredictionsOutputs
from mlx_specs.resources import About, PreparedData

HOME = ".mlx/local"
Models = Callable[[str], Packaged]


def dataset(workspace: Path, name: str, rows: pyarrow.Table, **options: Any) -> PreparedData:
    path = workspace / HOME / "datasets" / name / "data.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(rows, path, **options)
    return PreparedData(name=name, digest=f"digest-of-{name}", path=str(path.relative_to(workspace)), keys=["flight"])


def numbered(rows: int, seed: int = 3) -> pyarrow.Table:
    return flights(rows, seed).append_column("flight", pyarrow.array(np.arange(rows)))


def asked(packed: Packaged, workspace: Path, data: PreparedData, **more: Any) -> BatchPredictionsInputs:
    version = packed.version("4", workspace)
    return BatchPredictionsInputs(name="nightly", home=HOME, model="delay", alias="champion", version=version, input=data, **more)


def test_keys_columns_predictions_and_provenance_are_written(models: Models, workspace: Path) -> None:
    packed, rows, lines = models("boosting"), numbered(300), list[str]()
    about = About(owner="ml-engineering")
    inputs = asked(packed, workspace, dataset(workspace, "some", rows), columns=["carrier"], about=about)
    done = score_dataset(inputs, workspace, lines.append)
    assert done == BatchPredictionsOutputs(**dict(inputs), path=f"{HOME}/predictions/nightly/{run_digest(inputs)}/predictions.parquet", rows=300, status="Done")
    predictions = load(packed.folder, packed.digest).score_table(rows.drop(["flight"]))
    assert parquet.read_table(workspace / done.path).to_pydict() == {
        "flight": rows["flight"].to_pylist(), "carrier": rows["carrier"].to_pylist(), **predictions.to_pydict(),
        "model_version": ["4"] * 300, "model_fingerprint": ["boosting"] * 300,
    }  # fmt: skip
    latest = json.loads((workspace / HOME / "predictions" / "nightly" / "latest.json").read_text())
    assert latest == {
        "path": done.path, "rows": 300, "version": "4", "fingerprint": "boosting", "input": "digest-of-some", "about": about.wire(),
    }  # fmt: skip
    assert len(lines) == 1 and lines[0].startswith("scored 300 rows in ") and lines[0].endswith(" a second)")


def test_the_same_run_is_not_done_twice_and_a_broken_one_is(models: Models, workspace: Path) -> None:
    inputs = asked(models("boosting"), workspace, dataset(workspace, "twice", numbered(50)))
    done = score_dataset(inputs, workspace, lambda line: None)
    written = (workspace / done.path).read_bytes()
    lines = list[str]()
    assert score_dataset(inputs, workspace, lines.append) == done
    assert lines == []
    (workspace / done.path).write_bytes(b"torn")
    assert score_dataset(inputs, workspace, lines.append) == done
    assert (workspace / done.path).read_bytes() == written
    folders = [path.name for path in (workspace / done.path).parent.parent.iterdir() if path.name.startswith(".")]
    assert folders == []


def test_blocks_do_not_follow_row_groups(models: Models, workspace: Path) -> None:
    """Predictions are the same to the bit however the file was written."""
    rows = numbered(BLOCK + 500)
    whole = score_dataset(asked(models("forest"), workspace, dataset(workspace, "whole", rows)), workspace, lambda line: None)
    pieces = score_dataset(asked(models("forest"), workspace, dataset(workspace, "pieces", rows, row_group_size=1000)), workspace, lambda line: None)
    assert parquet.read_table(workspace / whole.path) == parquet.read_table(workspace / pieces.path)
    assert whole.path != pieces.path


def test_rows_that_the_model_cannot_score_are_kept_with_the_reason(pack: Callable[..., Packaged], workspace: Path) -> None:
    packed = strict(pack)
    rows = pyarrow.table({"flight": [1, 2, 3, 4, 5], "hour": [9, None, 14, 15, None], "carrier": ["UA", "AA", "ZZ", "B6", "ZZ"]})
    lines = list[str]()
    done = score_dataset(asked(packed, workspace, dataset(workspace, "strict", rows)), workspace, lines.append)
    assert parquet.read_table(workspace / done.path)["flight"].to_pylist() == [1, 4]
    assert done.rows == 2
    folder = (workspace / done.path).parent
    assert parquet.read_table(folder / "rejected.parquet").to_pylist() == [
        {"flight": 2, "hour": None, "carrier": "AA", "_reason": "column 'hour' may not be null"},
        {"flight": 5, "hour": None, "carrier": "ZZ", "_reason": "column 'hour' may not be null"},
        {"flight": 3, "hour": 14, "carrier": "ZZ", "_reason": "column 'carrier': 'ZZ' is not one of 'AA', 'B6', 'UA'"},
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["rows"], manifest["rejected"]) == (2, 3)
    assert lines[-1].endswith("3 rejected (see rejected.parquet)")


def test_no_rows_give_no_predictions(models: Models, workspace: Path) -> None:
    done = score_dataset(asked(models("boosting"), workspace, dataset(workspace, "none", numbered(5).slice(0, 0))), workspace, lambda line: None)
    assert (done.rows, parquet.read_table(workspace / done.path).num_rows) == (0, 0)


NO_STRING = "column 'hour' is string: the model expects integer (INT64)"
WRONG: dict[str, tuple[Callable[[pyarrow.Table], pyarrow.Table], list[str], str]] = {
    "a feature that is not there": (lambda t: t.drop(["hour"]), [], "dataset 'wrong' has no column 'hour', a feature of the model"),
    "a column that is not there": (lambda t: t, ["origin"], "dataset 'wrong' has no column 'origin', asked for by keys or columns"),
    "a column named as a prediction": (
        lambda t: t.append_column("label", t["hour"]), ["label"], "column 'label' of 'wrong' has the name of a prediction",
    ),
    "another type": (lambda t: t.set_column(1, "hour", t["carrier"]), [], f"dataset 'wrong' does not fit the model: {NO_STRING}"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_dataset_that_does_not_fit_is_refused_and_leaves_nothing(models: Models, workspace: Path, name: str) -> None:
    change, columns, message = WRONG[name]
    inputs = asked(models("boosting"), workspace, dataset(workspace, "wrong", change(numbered(20))), columns=columns)
    with pytest.raises(BatchError) as caught:
        score_dataset(inputs, workspace, lambda line: None)
    assert str(caught.value) == message
    assert not (workspace / HOME / "predictions" / "nightly" / run_digest(inputs)).exists()


def test_a_corrupted_artifact_is_refused(pack: Callable[..., Packaged], workspace: Path) -> None:
    packed = pack("corrupted-batch", boosting(), flights(), late(flights()))
    (packed.folder / "model.onnx").write_bytes(b"")
    with pytest.raises(BatchError, match=r"model\.onnx has sha256 [0-9a-f]{64}, expected [0-9a-f]{64}: the file is corrupted"):
        score_dataset(asked(packed, workspace, dataset(workspace, "fine", numbered(5))), workspace, lambda line: None)


def test_memory_bounds_the_run(models: Models, workspace: Path) -> None:
    inputs = asked(models("boosting"), workspace, dataset(workspace, "large", numbered(5)), memory="16Mi")
    with pytest.raises(BatchError) as caught:
        score_dataset(inputs, workspace, lambda line: None)
    assert "compute.memory" in caught.value.hint
