"""A workspace with one dataset of two rows: what the verbs need where no model is asked for."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

SPECS = """\
apiVersion: mlx/v1
kind: Dataset
metadata: {name: rows}
spec: {source: {type: csv, path: rows.csv}}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    for folder in ("specs", "stacks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: tiny\nruntime: python\nmain: stacks/\n")
    (tmp_path / "stacks" / "local.yaml").write_text("apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\n")
    (tmp_path / "specs" / "rows.yaml").write_text(SPECS)
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    return tmp_path
