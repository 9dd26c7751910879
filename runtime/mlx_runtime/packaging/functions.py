"""FunctionTransformer as ONNX, for the functions of NumPy that people use in it."""

from typing import Any

import numpy as np
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from skl2onnx.operator_converters.common import concatenate_variables

from mlx_runtime.packaging.encoders import NUMBERS, name
from mlx_runtime.packaging.errors import ConversionError

Steps = tuple[tuple[str, float | None], ...]
"""Operators, each with a constant on its right side where it takes one."""

FUNCTIONS: dict[Any, Steps] = {
    None: (("Identity", None),),
    np.log: (("Log", None),),
    np.log1p: (("Add", 1.0), ("Log", None)),
    np.log10: (("Log", None), ("Div", float(np.log(10.0)))),
    np.log2: (("Log", None), ("Div", float(np.log(2.0)))),
    np.exp: (("Exp", None),),
    np.expm1: (("Exp", None), ("Sub", 1.0)),
    np.sqrt: (("Sqrt", None),),
    np.square: (("Pow", 2.0),),
    np.abs: (("Abs", None),),
}


def convert_function(scope: Any, operator: Any, container: Any) -> None:
    """One operator after the other, in the type that comes in."""
    current = concatenate_variables(scope, operator.inputs, container)
    kind = NUMBERS[type(operator.inputs[0].type)]
    for op_type, constant in FUNCTIONS[operator.raw_operator.func]:
        inputs = [current]
        if constant is not None:
            container.add_initializer(value := name(scope, "constant"), kind, [1], [constant])
            inputs.append(value)
        container.add_node(op_type, inputs, current := name(scope, "value"), name=name(scope, op_type))
    container.add_node("Identity", current, operator.outputs[0].full_name, name=name(scope, "Identity"))


def shape_function(operator: Any) -> None:
    """As many columns out as in; a function that is not in the table, or takes arguments, is refused."""
    model = operator.raw_operator
    if model.func not in FUNCTIONS or model.kw_args:
        raise ConversionError(f"FunctionTransformer of {getattr(model.func, '__name__', model.func)}")
    if any(not isinstance(variable.type, FloatTensorType | DoubleTensorType) for variable in operator.inputs):
        raise ConversionError("FunctionTransformer over text")
    width = sum(variable.get_second_dimension() for variable in operator.inputs)
    operator.outputs[0].type = type(operator.inputs[0].type)([operator.inputs[0].get_first_dimension(), width])
