"""An answered request as the prediction log takes it: the bytes of its numbers and references to its texts.

A request leaves one small object behind, made while its arrays are at hand: to gather thousands of them later, from wherever they lie,
costs an endpoint several times as much. Nothing here loads Arrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.engines import Outputs
from mlx_specs.artifact import Datatype, ModelFile
from mlx_specs.resources import Version

DTYPES: dict[Datatype, np.dtype] = {"BOOL": np.dtype("?"), "INT64": np.dtype("i8"), "FP32": np.dtype("f4"), "FP64": np.dtype("f8")}
INPUT = np.dtype("f8")
"""What every input that is no string is scored as."""
OBJECTS = 256
"""Bytes that a request takes beside its values, about."""
HOUR = 3_600_000_000
"""Microseconds, in which moments are told."""


class Layout:
    """Where a model's columns lie: inputs before outputs, numbers and texts each in their order."""

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        self.inputs = [tensor.name for tensor in model.inputs if tensor.type != "string"]
        self.outputs = [(tensor.name, DTYPES[tensor.datatype]) for tensor in model.outputs if tensor.datatype != "BYTES"]
        self.input_texts = [tensor.name for tensor in model.inputs if tensor.type == "string"]
        self.output_texts = [tensor.name for tensor in model.outputs if tensor.datatype == "BYTES"]

    def record(self, rows: int) -> np.dtype:
        """The numbers of a request of so many rows; fields have no names of their own, as an input may be called as an output."""
        kinds = [INPUT] * len(self.inputs) + [dtype for _, dtype in self.outputs]
        return np.dtype([(str(place), kind, (rows,)) for place, kind in enumerate(kinds)])


class Scored(NamedTuple):
    """A request that was answered."""

    moment: int
    """When it came: microseconds since 1970."""
    version: Version
    layout: Layout
    rows: int
    numbers: bytes
    """``layout.record(rows)``"""
    texts: Sequence[NDArray]
    """Of str and None, in the layout's order."""
    size: int
    """About how many bytes it keeps."""
    id: str | None


def scored(moment: int, version: Version, layout: Layout, columns: Mapping[str, NDArray], outputs: Outputs, rows: int, body: int, id: str | None) -> Scored:
    """``body`` is the length of the request, than which its texts are not longer."""
    numbers: list[Any] = [columns[name] for name in layout.inputs]
    numbers += [np.ascontiguousarray(outputs[name], dtype) for name, dtype in layout.outputs]
    content = b"".join(numbers)
    texts = (*[columns[name] for name in layout.input_texts], *[outputs[name] for name in layout.output_texts])
    return Scored(moment, version, layout, rows, content, texts, len(content) + OBJECTS + (body if texts else 0), id)


@dataclass(slots=True)
class Block:
    """Requests of one hour that one version answered, as lists: Python's collector would look at an object for each request again and again."""

    hour: int
    """Since 1970."""
    version: Version
    layout: Layout
    moments: list[int] = field(default_factory=list[int])
    ids: list[str | None] = field(default_factory=list[str | None])
    counts: list[int] = field(default_factory=list[int])
    """Rows of each request."""
    numbers: list[bytes] = field(default_factory=list[bytes])
    texts: list[NDArray] = field(default_factory=list[NDArray])
    """As many for each request as the layout has."""
    rows: int = 0
    size: int = 0

    def takes(self, request: Scored) -> bool:
        """Whether it is of the same hour and version."""
        return self.version is request.version and self.hour == request.moment // HOUR

    def add(self, request: Scored) -> None:
        """One more."""
        self.moments.append(request.moment)
        self.ids.append(request.id)
        self.counts.append(request.rows)
        self.numbers.append(request.numbers)
        self.texts += request.texts
        self.rows += request.rows
        self.size += request.size
