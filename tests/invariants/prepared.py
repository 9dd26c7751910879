"""What an apply left of one dataset."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
from trials import Trial

from mlx_engine.host import UpdateFailed


@dataclass(frozen=True)
class Prepared:
    """The folder of its rows, or why there is none."""

    folder: Path
    error: str = ""

    @cached_property
    def rows(self) -> pyarrow.Table:
        return parquet.read_table(self.folder / "data.parquet")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.folder / "manifest.json").read_text())


def prepare(trial: Trial, name: str) -> Prepared:
    """Applies the workspace and looks at a dataset of it."""
    try:
        trial.apply()
    except UpdateFailed as failure:
        return Prepared(trial.root, next(iter(failure.failures.values())).partition("\n  hint:")[0])
    return Prepared((trial.root / trial.status()[f"Dataset/{name}"]["path"]).parent)
