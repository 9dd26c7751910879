"""The parts of a prediction log as a Monitor finds them."""

import re
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

from mlx_specs import layout

HOME = ".mlx/local"
PART = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2})/\d{8}T\d{12}-[0-9a-f]{8}-\d{6}\.parquet")


def log_of(root: Path, name: str, home: str = HOME) -> Path:
    return root / layout.prediction_log(home, name)


def parts(folder: Path) -> list[pyarrow.Table]:
    """In the order of their names, which say the hour of their rows; there is nothing else."""
    read = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        named = PART.fullmatch(str(path.relative_to(folder)))
        assert named, path
        table = parquet.ParquetFile(path).read()
        assert {f"{moment:%Y-%m-%dT%H}" for moment in table["time"].to_pylist()} == {named[1]}
        read.append(table)
    return read


def rows(folder: Path) -> pyarrow.Table:
    """All rows of parts of one schema."""
    return pyarrow.concat_tables(parts(folder))
