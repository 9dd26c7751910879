"""The CLI in this process: what it exits with and prints."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlx_cli.main import run


@dataclass(frozen=True)
class Outcome:
    """What a command line came to."""

    code: int
    out: str
    err: str


Mlx = Callable[..., Outcome]


@pytest.fixture
def mlx(capsys: pytest.CaptureFixture[str]) -> Mlx:
    """``mlx("plan", "-C", folder)``"""

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture
def workspace(tmp_path: Path, mlx: Mlx) -> Path:
    """An empty workspace."""
    folder = tmp_path / "work"
    assert mlx("init", folder).code == 0
    return folder


TINY = """\
apiVersion: mlx/v1
kind: Dataset
metadata: {name: tumours}
spec:
  source: {type: csv, path: data/tumours.csv}
  keys: [id]
  columns:
    id: {type: integer}
    radius: {type: float}
    texture: {type: float}
    malignant: {type: boolean}
---
apiVersion: mlx/v1
kind: Pipeline
metadata: {name: tabular}
spec: {entry: "mlx_pipelines.tabular:pipeline"}
---
apiVersion: mlx/v1
kind: Model
metadata: {name: tumour}
spec:
  task: classification
  pipeline: tabular
  data: tumours
  target: malignant
  algorithm: sklearn.linear_model.LogisticRegression
  parameters: {C: 1.0}
  success: [{metric: roc_auc, atLeast: 0.6}]
---
apiVersion: mlx/v1
kind: Inference
metadata: {name: tumour-api}
spec: {mode: realtime, model: tumour@champion}
---
apiVersion: mlx/v1
kind: Inference
metadata: {name: tumour-batch}
spec: {mode: batch, model: tumour@champion, batch: {input: tumours}}
"""
"""A dataset of 60 rows, a model that trains in a moment, an endpoint and a batch."""


def tiny_workspace(folder: Path) -> Path:
    """Writes the tiny workspace into a folder that does not exist yet."""
    (folder / "specs").mkdir(parents=True)
    (folder / "stacks").mkdir()
    (folder / "data").mkdir()
    (folder / "Pulumi.yaml").write_text("name: tiny\nruntime: python\nmain: stacks/\n")
    (folder / "stacks" / "local.yaml").write_text("apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\n")
    (folder / "specs" / "tiny.yaml").write_text(TINY)
    with (folder / "data" / "tumours.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "radius", "texture", "malignant"])
        rows.writerows([i, 10 + i % 7 + 5 * (i % 2), 15 + i % 5, str(i % 2 == 1).lower()] for i in range(60))
    return folder


@pytest.fixture(scope="module")
def new_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, shared by the tests of a file."""
    return tiny_workspace(tmp_path_factory.mktemp("shared") / "tiny")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A workspace of five objects, nothing applied."""
    return tiny_workspace(tmp_path / "tiny")
