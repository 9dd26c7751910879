"""Rows in Parquet files, read a column at a time: what a judgement holds in memory is one column, not a window."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute as compute
import pyarrow.dataset as dataset
from numpy.typing import NDArray

from mlx_runtime.columns import to_array
from mlx_runtime.monitor import MonitorError

MOST_ROWS = 1_000_000
"""Of more, so many are compared, evenly over all."""


@dataclass(frozen=True)
class Rows:
    """Files of the same columns, and which of their rows."""

    files: tuple[Path, ...]
    only: compute.Expression | None = None
    logged_inputs: bool = False
    """They are a log's, in which an input with the name of another column is ``inputs.NAME``."""

    @cached_property
    def _dataset(self) -> dataset.Dataset:
        try:
            return dataset.dataset([str(file) for file in self.files], format="parquet")
        except (OSError, pyarrow.ArrowException) as error:
            raise MonitorError(f"{self.files[0]} cannot be read: {error}", hint="mlx refresh, then mlx apply") from error

    @cached_property
    def count(self) -> int:
        """Of the rows that are meant."""
        return self._dataset.count_rows(filter=self.only) if self.files else 0

    def column(self, name: str) -> NDArray:
        """At most ``MOST_ROWS`` of its values, as a model reads them."""
        values = self._dataset.to_table(columns=[self._named(name)], filter=self.only).column(0)
        if len(values) > MOST_ROWS:
            values = values.take(pyarrow.array(np.linspace(0, len(values) - 1, MOST_ROWS).astype(np.int64)))
        return to_array(values, name)

    def _named(self, name: str) -> str:
        apart = f"inputs.{name}"
        return apart if self.logged_inputs and apart in self._dataset.schema.names else name
