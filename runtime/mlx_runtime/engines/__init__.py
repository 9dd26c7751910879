"""What turns columns into predictions: one file an engine, one row in ``ENGINES`` of mlx_runtime.scorer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from numpy.typing import NDArray

from mlx_runtime.columns import Columns
from mlx_runtime.errors import RuntimeFailure
from mlx_specs.artifact import ModelFile

Outputs = Mapping[str, NDArray]


class Engine(Protocol):
    """Loaded from a verified artifact; safe to call from several threads at once."""

    def predict(self, columns: Columns) -> Outputs:
        """The arrays of ``model.outputs`` in their order: label and probabilities, or prediction."""
        ...


class Load(Protocol):
    """Opens an engine's file of an artifact that has been verified."""

    def __call__(self, folder: Path, model: ModelFile, threads: int) -> Engine: ...


class EngineError(RuntimeFailure):
    """The engine does not run here: a library that is missing or another version, a file it cannot open."""
