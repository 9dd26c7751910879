"""Our own ONNX converters, where skl2onnx's lose what scikit-learn computes.

ONNX Runtime's Imputer and Scaler have no doubles; ours are Where and Sub/Div. Encoders are tables (``encoders.py``), trees are in
``trees.py``, functions of NumPy in ``functions.py``; vectorisers of text are skl2onnx's, told what a word is (``texts.py``).
"""

from typing import Any

from onnx import TensorProto
from skl2onnx.common.data_types import StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from mlx_runtime.engines.onnx import NULL_TEXT
from mlx_runtime.packaging.encoders import NUMBERS, convert_table, shape_table
from mlx_runtime.packaging.errors import ConversionError
from mlx_runtime.packaging.functions import convert_function, shape_function
from mlx_runtime.packaging.trees import TREES, convert_trees, shape_trees

ML = "ai.onnx.ml"


def convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Where(IsNaN(x), statistic, x) for numbers; for strings the text that stands for null. Then a column for each that had gaps, where asked."""
    model = operator.raw_operator
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
    container.add_node("Where", [missing, fill, values], filled := _name(scope, "filled"), name=_name(scope, "Where"))
    parts = [filled, *_gaps(scope, container, missing, model, kind)]
    container.add_node("Concat", parts, operator.outputs[0].full_name, name=_name(scope, "Concat"), axis=1)


def _gaps(scope: Any, container: Any, missing: str, model: Any, kind: Any) -> list[str]:
    """``add_indicator``: one for each column that training saw a gap in."""
    if model.indicator_ is None:
        return []
    if kind is StringTensorType:
        raise ConversionError("SimpleImputer(add_indicator=True) over strings")
    container.add_initializer(places := _name(scope, "places"), TensorProto.INT64, [len(model.indicator_.features_)], model.indicator_.features_.tolist())
    container.add_node("Gather", [missing, places], chosen := _name(scope, "chosen"), name=_name(scope, "Gather"), axis=1)
    container.add_node("Cast", chosen, gaps := _name(scope, "gaps"), name=_name(scope, "Cast"), to=NUMBERS[kind])
    return [gaps]


def shape_imputer(operator: Any) -> None:
    """As many columns as statistics; an all-empty column is dropped by scikit-learn, which this does not follow."""
    model = operator.raw_operator
    if any(value is None or value != value for value in model.statistics_):
        raise ConversionError("SimpleImputer over a column without any value")
    width = len(model.statistics_) + (len(model.indicator_.features_) if model.indicator_ is not None else 0)
    operator.outputs[0].type = type(operator.inputs[0].type)([operator.inputs[0].get_first_dimension(), width])


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


TABLES = (OrdinalEncoder, OneHotEncoder, TargetEncoder)
CONVERTERS = {
    SimpleImputer: convert_imputer, StandardScaler: convert_scaler, FunctionTransformer: convert_function,
    **dict.fromkeys(TABLES, convert_table), **dict.fromkeys(TREES, convert_trees),
}  # fmt: skip
SHAPES = {
    SimpleImputer: shape_imputer, StandardScaler: shape_same, FunctionTransformer: shape_function,
    **dict.fromkeys(TABLES, shape_table), **dict.fromkeys(TREES, shape_trees),
}  # fmt: skip


def _name(scope: Any, hint: str) -> str:
    return scope.get_unique_variable_name(f"mlx_{hint}")
