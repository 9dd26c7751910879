"""Encoders of categories as ONNX: a table that is read off the fitted encoder itself, a row for each category and one for all others.

So what scikit-learn does with rare categories, dropped ones, nulls and values that it never saw is in the table, and nothing is
computed a second time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

from mlx_runtime.engines.onnx import NULL_TEXT
from mlx_runtime.packaging.errors import ConversionError

ML = "ai.onnx.ml"
NEVER_SEEN = "\ue001never seen"
LARGEST = 4_000_000
"""Numbers in the table of one column."""


def convert_table(scope: Any, operator: Any, container: Any) -> None:
    """Category to row number, row number to the encoder's own output for it."""
    model, outputs = operator.raw_operator, []
    kind = NUMBERS[type(operator.outputs[0].type)]
    for index, column in enumerate(single_columns(scope, operator, container)):
        table = _table(model, index)
        keys = [NULL_TEXT if key is None or key != key else str(key) for key in model.categories_[index]]
        container.add_node(
            "LabelEncoder", column, place := name(scope, "place"), name=name(scope, "LabelEncoder"), op_domain=ML, op_version=2,
            keys_strings=[key.encode() for key in keys], values_int64s=list(range(len(keys))), default_int64=len(keys),
        )  # fmt: skip
        container.add_node("Flatten", place, flat := name(scope, "flat"), name=name(scope, "Flatten"), axis=0)
        container.add_initializer(shape := name(scope, "shape"), TensorProto.INT64, [1], [-1])
        container.add_node("Reshape", [flat, shape], line := name(scope, "line"), name=name(scope, "Reshape"))
        container.add_initializer(rows := name(scope, "table"), kind, list(table.shape), table.ravel().tolist())
        container.add_node("Gather", [rows, line], encoded := name(scope, "encoded"), name=name(scope, "Gather"), axis=0)
        outputs.append(encoded)
    container.add_node("Concat", outputs, operator.outputs[0].full_name, name=name(scope, "Concat"), axis=1)


def shape_table(operator: Any) -> None:
    """Single precision holds zeros and ones exactly; means need as much as there is."""
    if any(not isinstance(variable.type, StringTensorType) for variable in operator.inputs):
        raise ConversionError(f"{type(operator.raw_operator).__name__} over numbers")
    width = sum(_table(operator.raw_operator, index).shape[1] for index in range(len(operator.raw_operator.categories_)))
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), width])


def single_columns(scope: Any, operator: Any, container: Any) -> list[str]:
    """The names of the operator's inputs, one for each column."""
    columns = []
    for variable in operator.inputs:
        width = variable.get_second_dimension()
        if width == 1:
            columns.append(variable.full_name)
            continue
        for index in range(width):
            container.add_initializer(place := name(scope, "index"), TensorProto.INT64, [1], [index])
            container.add_node("Gather", [variable.full_name, place], column := name(scope, "column"), name=name(scope, "Gather"), axis=1)
            columns.append(column)
    return columns


def name(scope: Any, hint: str) -> str:
    """A name that the graph does not have yet."""
    return scope.get_unique_variable_name(f"mlx_{hint}")


NUMBERS = {FloatTensorType: TensorProto.FLOAT, DoubleTensorType: TensorProto.DOUBLE}


def _table(model: Any, index: int) -> NDArray:
    """What the encoder makes of each category of one column, then of one that it never saw; the other columns hold what they know."""
    categories = model.categories_[index]
    rows = np.empty((len(categories) + 1, len(model.categories_)), dtype=object)
    for other, known in enumerate(model.categories_):
        rows[:, other] = known[0]
    rows[:-1, index] = categories
    rows[-1, index] = NEVER_SEEN if _takes_unknown(model) else categories[0]
    encoded = _nameless(model).transform(rows)
    encoded = np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded, dtype=float)
    own = _own_columns(model, index, encoded.shape[1])
    if encoded[:, own].size > LARGEST:
        raise ConversionError(f"{len(categories):,} categories in one column")
    return encoded[:, own]


def _takes_unknown(model: Any) -> bool:
    """Where it does not, the signature refuses what was never seen, and the last row of the table is never read."""
    return getattr(model, "handle_unknown", "ignore") != "error"


def _own_columns(model: Any, index: int, width: int) -> NDArray:
    """The columns of the output that come of one column of the input."""
    if not hasattr(model, "_n_features_outs"):
        per_column = width // len(model.categories_)
        return np.arange(index * per_column, (index + 1) * per_column)
    ends = np.cumsum(model._n_features_outs)
    return np.arange(ends[index] - model._n_features_outs[index], ends[index])


def _nameless(model: Any) -> Any:
    """The same encoder without the names of its columns: it would warn of rows that have none."""
    bare = {key: value for key, value in vars(model).items() if key != "feature_names_in_"}
    nameless = object.__new__(type(model))
    vars(nameless).update(bare)
    return nameless
