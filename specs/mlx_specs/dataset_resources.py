"""Inputs and outputs of a prepared dataset."""

from typing import Any

from pydantic import Field

from mlx_specs.resources import About, ColumnType, Wire


class ColumnAbout(Wire):
    """What a dataset says of a column besides its type."""

    description: str = ""
    available_at: str = ""


class DatasetAbout(About):
    """Also what its columns mean and when they are known; none of it decides which rows come out."""

    timeline: list[str] = Field(default_factory=list)
    columns: dict[str, ColumnAbout] = Field(default_factory=dict[str, ColumnAbout])


class PreparedDatasetInputs(Wire):
    """``mlx:index:PreparedDataset``: create prepares the rows, update prepares them again; id = the dataset's name."""

    name: str
    home: str
    """The environment's folder, such as .mlx/local."""
    definition: dict[str, Any]
    """The DatasetSpec as people write it, without schedule and column descriptions."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Content digest of each dataset that it reads, by name."""
    about: DatasetAbout = DatasetAbout()
    source_digest: str = ""
    """Filled in by check: sha256 of the source's bytes, or of the watermark's value."""


class PreparedDatasetOutputs(PreparedDatasetInputs):
    """The folder HOME/datasets/NAME/CONTENT_DIGEST holds data.parquet, rejected.parquet and manifest.json."""

    content_digest: str = ""
    path: str = ""
    """data.parquet, relative to the workspace."""
    rows: int = 0
    rejected: int = 0
    columns: list[ColumnType] = Field(default_factory=list[ColumnType])
    warnings: list[str] = Field(default_factory=list)
