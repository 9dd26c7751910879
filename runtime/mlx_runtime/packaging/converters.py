"""Our own ONNX converters, where skl2onnx's lose what scikit-learn computes.

ONNX Runtime's Imputer and Scaler have no doubles; ours are Where and Sub/Div. OrdinalEncoder's missing value is lost; ours
asks the fitted encoder itself for every category. Trees are in ``trees.py``.
"""

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from mlx_runtime.engines.onnx import NULL_TEXT
from mlx_runtime.packaging.trees import TREES, convert_trees, shape_trees

ML = "ai.onnx.ml"
NUMBERS = {FloatTensorType: TensorProto.FLOAT, DoubleTensorType: TensorProto.DOUBLE}


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Where(IsNaN(x), statistic, x) for numbers; for strings the text that stands for null."""
    model = operator.raw_operator
    if model.indicator_ is not None:
        raise NotImplementedError("SimpleImputer(add_indicator=True)")
    values = concatenate_variables(scope, operator.inputs, container)
    kind = type(operator.inputs[0].type)
    missing, fill = _name(scope, "missing"), _name(scope, "fill")
    if kind is StringTensorType:
        container.add_initializer(fill, TensorProto.STRING, [1, len(model.statistics_)], [str(value).encode() for value in model.statistics_])
        container.add_node(
            "LabelEncoder", values, flag := _name(scope, "flag"), name=_name(scope, "LabelEncoder"), op_domain=ML, op_version=2,
            keys_strings=[NULL_TEXT.encode()], values_int64s=[1], default_int64=0,
        )  # fmt: skip
        container.add_node("Cast", flag, missing, name=_name(scope, "Cast"), to=TensorProto.BOOL)
    else:
        container.add_initializer(fill, NUMBERS[kind], [1, len(model.statistics_)], model.statistics_.astype(float).tolist())
        container.add_node("IsNaN", values, missing, name=_name(scope, "IsNaN"))
    container.add_node("Where", [missing, fill, values], operator.outputs[0].full_name, name=_name(scope, "Where"))


def shape_imputer(operator: Any) -> None:
    """As many columns as statistics; an all-empty column is dropped by scikit-learn, which this does not follow."""
    model = operator.raw_operator
    if any(value is None or value != value for value in model.statistics_):
        raise NotImplementedError("SimpleImputer over a column without any value")
    operator.outputs[0].type = type(operator.inputs[0].type)([operator.inputs[0].get_first_dimension(), len(model.statistics_)])


def convert_scaler(scope: Any, operator: Any, container: Any) -> None:
    """(x - mean) / scale in the type that comes in."""
    model = operator.raw_operator
    current = concatenate_variables(scope, operator.inputs, container)
    kind = NUMBERS[type(operator.inputs[0].type)]
    for op_type, values in (("Sub", model.mean_ if model.with_mean else None), ("Div", model.scale_ if model.with_std else None)):
        if values is None:
            continue
        container.add_initializer(constant := _name(scope, op_type), kind, [1, len(values)], values.tolist())
        container.add_node(op_type, [current, constant], following := _name(scope, "scaled"), name=_name(scope, op_type))
        current = following
    container.add_node("Identity", current, operator.outputs[0].full_name, name=_name(scope, "Identity"))


def shape_same(operator: Any) -> None:
    """As many columns out as in, of the same type."""
    operator.outputs[0].type = type(operator.inputs[0].type)([operator.inputs[0].get_first_dimension(), operator.raw_operator.n_features_in_])


def convert_ordinal(scope: Any, operator: Any, container: Any) -> None:
    """A table of category to code for each column, read off the fitted encoder."""
    model, codes = operator.raw_operator, []
    for index, column in enumerate(_single_columns(scope, operator, container)):
        keys = [NULL_TEXT if key is None or key != key else str(key) for key in model.categories_[index]]
        unknown = model.unknown_value if model.handle_unknown == "use_encoded_value" else -1
        container.add_node(
            "LabelEncoder", column, code := _name(scope, "code"), name=_name(scope, "LabelEncoder"), op_domain=ML, op_version=2,
            keys_strings=[key.encode() for key in keys], values_floats=_codes(model, index).tolist(), default_float=float(unknown),
        )  # fmt: skip
        codes.append(code)
    container.add_node("Concat", codes, operator.outputs[0].full_name, name=_name(scope, "Concat"), axis=1)


def shape_ordinal(operator: Any) -> None:
    """Codes are float32: whole numbers and NaN, so nothing is lost."""
    if any(not isinstance(variable.type, StringTensorType) for variable in operator.inputs):
        raise NotImplementedError("OrdinalEncoder over numbers")
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), len(operator.raw_operator.categories_)])


CONVERTERS = {SimpleImputer: convert_imputer, StandardScaler: convert_scaler, OrdinalEncoder: convert_ordinal, **dict.fromkeys(TREES, convert_trees)}
SHAPES = {SimpleImputer: shape_imputer, StandardScaler: shape_same, OrdinalEncoder: shape_ordinal, **dict.fromkeys(TREES, shape_trees)}


def _codes(model: Any, index: int) -> np.ndarray:
    """The code of each category of one column: the other columns hold any category that they know."""
    categories = model.categories_[index]
    rows = np.empty((len(categories), len(model.categories_)), dtype=object)
    for other, known in enumerate(model.categories_):
        rows[:, other] = categories if other == index else known[0]
    bare = {name: value for name, value in vars(model).items() if name != "feature_names_in_"}
    nameless = object.__new__(type(model))
    vars(nameless).update(bare)
    return nameless.transform(rows)[:, index].astype(np.float32)


def _single_columns(scope: Any, operator: Any, container: Any) -> list[str]:
    columns = []
    for variable in operator.inputs:
        width = variable.get_second_dimension()
        if width == 1:
            columns.append(variable.full_name)
            continue
        for index in range(width):
            container.add_initializer(place := _name(scope, "index"), TensorProto.INT64, [1], [index])
            container.add_node("Gather", [variable.full_name, place], column := _name(scope, "column"), name=_name(scope, "Gather"), axis=1)
            columns.append(column)
    return columns


def _name(scope: Any, hint: str) -> str:
    return scope.get_unique_variable_name(f"mlx_{hint}")
