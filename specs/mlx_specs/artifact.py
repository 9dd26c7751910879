"""model.json and manifest.json: what a packaged model says of itself. Written by the pipeline, read by the scorer."""

from typing import Any, Literal

from pydantic import Field

from mlx_specs.resources import Wire

MODEL_FILE = "model.json"
MANIFEST_FILE = "manifest.json"
"""sha256 and size of each other file, by name; the artifact's digest is the sha256 of this file's bytes."""
REFERENCE_FILE = "reference.parquet"
"""Held-out rows of the model's inputs, evenly over all of them: what monitors compare later rows with."""

Datatype = Literal["BOOL", "INT64", "FP64", "FP32", "BYTES"]
"""The open inference protocol's names; BYTES are UTF-8 strings; timestamps travel as BYTES in ISO 8601."""


class Tensor(Wire):
    """One input or output: a column of shape [-1]."""

    name: str
    datatype: Datatype
    type: str = ""
    """The column's type in a dataset: string, integer, float, boolean, timestamp or date."""
    nullable: bool = True
    categories: list[str] | None = None
    """The only values that the model accepts; None: a value that it never saw is scored as well."""
    finite: bool = False
    """Whether infinity is refused: the model that was trained does not take it."""
    lowercase: bool = False
    """Whether the text is put into lower case, as Python does it, before it enters the graph."""


class ModelFile(Wire):
    """model.json"""

    schema_version: Literal[1] = 1
    model: str
    fingerprint: str
    task: str
    target: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    """classification: label, then probability_CLASS for each class; regression: prediction."""
    classes: list[str | int | float | bool] = Field(default_factory=list[str | int | float | bool])
    engine: Literal["onnx", "native"]
    engine_file: str
    reason: str = ""
    """Why the native format was chosen, where it was."""
    parity: dict[str, Any] = Field(default_factory=dict)
    """rows compared, labels that differ, the largest absolute difference."""
    example: dict[str, list[Any]]
    """One or two rows of inputs that score."""
    metrics: dict[str, float] = Field(default_factory=dict)
    baseline: dict[str, Any] = Field(default_factory=dict)
