"""An exported model runs where nothing of ours is, and predicts what the server does; its README is a program that runs."""

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_flights import Packaged, flights, late, one_hot
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlx_runtime.columns import to_columns
from mlx_runtime.engines.onnx import NULL_TEXT
from mlx_runtime.export import ExportError, export_onnx
from mlx_runtime.scorer import load

Pack = Callable[..., Packaged]
ELSEWHERE = """
import importlib.util, sys
sys.path.append(sys.argv[1])
ours = [name for name in ("mlx_runtime", "mlx_specs", "mlx_cli") if importlib.util.find_spec(name)]
assert ours == [], ours
exec(compile(open(sys.argv[2]).read(), sys.argv[2], "exec"))
assert not [name for name in sys.modules if name.startswith(("mlx", "sklearn", "pandas", "pyarrow"))]
"""
ASK = """
import json, numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
types = {"tensor(float)": numpy.float32, "tensor(double)": numpy.float64, "tensor(string)": object}
asked = json.load(open("asked.json"))
feeds = {put.name: numpy.array(asked[put.name], dtype=types[put.type]).reshape(-1, 1) for put in session.get_inputs()}
print(json.dumps([values.tolist() for values in session.run(None, feeds)]))
"""


def elsewhere(folder: Path, program: str) -> str:
    """Runs it with numpy and onnxruntime from the installed packages, without site, environment and anything of ours."""
    (folder.parent / "program.py").write_text(program)
    packages = sysconfig.get_path("purelib")
    command = [sys.executable, "-I", "-S", "-c", ELSEWHERE, packages, str(folder.parent / "program.py")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program_of(folder: Path) -> str:
    (program,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return program


def as_json(values: np.ndarray) -> list[Any]:
    """What a client of another language would send: NaN for a number that is missing, the text that stands for a missing text."""
    return [NULL_TEXT if value is None else value for value in values.tolist()]


@pytest.mark.parametrize("name", ["boosting", "logistic", "regression"])
def test_it_predicts_elsewhere_what_is_served_also_for_nulls_and_what_was_never_seen(name: str, models: Callable[[str], Packaged], tmp_path: Path) -> None:
    packed, folder = models(name), tmp_path / "edge"
    export_onnx(packed.folder, packed.digest, "1", folder)
    rows = flights(200, seed=9)
    carriers = rows["carrier"].to_pylist()[:190] + ["never seen"] * 10
    rows = rows.set_column(4, "carrier", [carriers])
    (folder / "asked.json").write_text(json.dumps({column: as_json(values) for column, values in to_columns(rows).items()}))
    answers = json.loads(elsewhere(folder, ASK))
    served = load(packed.folder, packed.digest).score_table(rows)
    if name == "regression":
        assert np.array(answers[0], dtype=np.float32).ravel().tolist() == served["prediction"].to_pylist()
        return
    assert [bool(label) for label in answers[0]] == served["label"].to_pylist()
    expected = np.column_stack([served["probability_false"].to_numpy(), served["probability_true"].to_numpy()])
    assert np.array(answers[1], dtype=np.float32).tolist() == expected.tolist()


def test_the_program_in_the_readme_runs_and_prints_what_the_example_says(models: Callable[[str], Packaged], tmp_path: Path) -> None:
    packed = models("boosting")
    export_onnx(packed.folder, packed.digest, "3", tmp_path / "edge")
    told = elsewhere(tmp_path / "edge", program_of(tmp_path / "edge"))
    example = json.loads((tmp_path / "edge" / "example.json").read_text())
    assert [line.partition(" ")[0] for line in told.splitlines()] == list(example["outputs"]) == ["label", "probabilities"]
    rows = packed.data.take([0, packed.labels.tolist().index(not packed.labels[0])])
    assert [bool(label) for label in example["outputs"]["label"]["data"]] == load(packed.folder, packed.digest).score_table(rows)["label"].to_pylist()


def test_the_readme_says_what_goes_in_and_what_comes_out(models: Callable[[str], Packaged], tmp_path: Path) -> None:
    packed = models("boosting")
    export_onnx(packed.folder, packed.digest, "3", tmp_path / "edge")
    text = (tmp_path / "edge" / "README.md").read_text()
    assert text.startswith("# delay, version 3\n\nIt predicts `late` (classification). On rows that it did not learn from: accuracy 0.5.")
    for line in (
        "| `distance` | float64 | [rows, 1] | a number | yes |",
        "| `hour` | float64 | [rows, 1] | a whole number | yes |",
        "| `refundable` | float64 | [rows, 1] | true is 1, false is 0 | yes |",
        "| `booked` | float64 | [rows, 1] | seconds since 1970-01-01 in UTC | yes |",
        "| `carrier` | string | [rows, 1] | text, also one that it never saw | yes |",
        "| `label` | int64 | [rows] | the class: `0` is false, `1` is true |",
        "| `probabilities` | float32 | [rows, 2] | the probability of each class, in the order `false`, `true` |",
    ):
        assert line in text.splitlines()


def test_the_sums_are_of_all_files(models: Callable[[str], Packaged], tmp_path: Path) -> None:
    packed = models("logistic")
    exported = export_onnx(packed.folder, packed.digest, "1", tmp_path / "edge")
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / "edge" / "SHA256SUMS").read_text().splitlines())
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "edge").iterdir() if path.name != "SHA256SUMS"}
    assert sums == files
    assert files.keys() == {"model.onnx", "README.md", "example.json"}
    assert exported.digest == hashlib.sha256((tmp_path / "edge" / "SHA256SUMS").read_bytes()).hexdigest()


def test_an_earlier_export_is_replaced_and_anything_else_is_left_alone(models: Callable[[str], Packaged], tmp_path: Path) -> None:
    first, second = models("logistic"), models("boosting")
    export_onnx(first.folder, first.digest, "1", tmp_path / "edge")
    export_onnx(second.folder, second.digest, "2", tmp_path / "edge")
    assert (tmp_path / "edge" / "README.md").read_text().startswith("# delay, version 2")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="mine is there and holds something else") as caught:
        export_onnx(first.folder, first.digest, "1", tmp_path / "mine")
    assert caught.value.hint == "name a folder that is new, empty, or an earlier export"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("estimator", "format", "reason", "hint"),
    [
        (
            make_pipeline(one_hot(SimpleImputer()), LogisticRegression()), "native", "package: native",
            "write package: auto in the Model and apply: it is packaged again, and nothing is trained",
        ),
        (
            HistGradientBoostingClassifier(max_iter=5, categorical_features=[1]), "auto",
            "ONNX does not predict the same (histogram boosting with categorical splits (categorical_features)); a pickle because it holds functools.partial",
            "leave out categorical_features: the strings become codes, which convert",
        ),
    ],
    ids=["asked for", "does not convert"],
)  # fmt: skip
def test_a_native_model_says_why_it_cannot_be_exported_and_what_would_change_that(
    estimator: Any, format: str, reason: str, hint: str, pack: Pack, tmp_path: Path
) -> None:
    data = flights() if format == "native" else flights().select(["distance", "hour"])
    packed = pack(f"native-{format}", estimator, data, late(flights()), format=format)
    with pytest.raises(ExportError) as caught:
        export_onnx(packed.folder, packed.digest, "4", tmp_path / "edge")
    assert (str(caught.value), caught.value.hint) == (f"model 'delay' version 4 is not ONNX: {reason}", hint)
    assert not (tmp_path / "edge").exists()
