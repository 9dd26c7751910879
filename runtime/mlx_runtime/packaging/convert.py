"""A fitted scikit-learn estimator as an ONNX graph: one input of shape [None, 1] a column.

``to_onnx`` converts and does not judge: whether the graph predicts what the estimator does is for parity to say.
"""

import copy
import warnings
from typing import Any, Literal

import numpy as np

from mlx_runtime.engines.onnx import NULL_TEXT
from mlx_runtime.packaging.errors import ConversionError
from mlx_runtime.packaging.texts import keep_case, options_of
from mlx_specs.artifact import Tensor

Precision = Literal["float32", "float64"]
OPSETS = {"": 18, "ai.onnx.ml": 3}


def to_onnx(estimator: Any, inputs: list[Tensor], example: Any, precision: Precision) -> bytes:
    """The graph whose number inputs are of this precision. ``example`` is a frame of a few rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _same_bytes(_convert(_prepared(estimator, example), inputs, precision))
        except ConversionError:
            raise
        except Exception as error:  # skl2onnx raises whatever its converters raise
            raise ConversionError(_one_line(error)) from error


def _convert(estimator: Any, inputs: list[Tensor], precision: Precision) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    from mlx_runtime.packaging.converters import CONVERTERS, SHAPES

    number = FloatTensorType if precision == "float32" else DoubleTensorType
    types = [(tensor.name, StringTensorType([None, 1]) if tensor.type == "string" else number([None, 1])) for tensor in inputs]
    options: dict[Any, Any] = options_of(parts(estimator))
    if hasattr(estimator, "predict_proba"):
        # skl2onnx takes options by name or by object, not both at once.
        options |= {id(estimator): {"zipmap": False}} if options else {"zipmap": False}
    return convert_sklearn(
        estimator, "model", types, target_opset=OPSETS, options=options or None, custom_conversion_functions=CONVERTERS, custom_shape_calculators=SHAPES
    )


def _same_bytes(graph: Any) -> bytes:
    """skl2onnx lists the opsets in the order of a set, another one in each process; the artifact's digest must not follow that."""
    opsets = sorted(graph.opset_import, key=lambda opset: opset.domain)
    del graph.opset_import[:]
    graph.opset_import.extend(opsets)
    return graph.SerializeToString(deterministic=True)


def _prepared(estimator: Any, example: Any) -> Any:
    """A copy whose encoders know null by the text that stands for it, and that begins with a choice of columns.

    A bare estimator takes one matrix; a ColumnTransformer that passes every column through makes it of the columns.
    """
    prepared = copy.deepcopy(estimator)
    _name_nulls(prepared)
    for part in parts(prepared):
        keep_case(part)
    if _chooses_columns(prepared):
        return prepared
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    choice = ColumnTransformer([("columns", "passthrough", list(example.columns))]).fit(example)
    steps = prepared.steps if isinstance(prepared, Pipeline) else [("estimator", prepared)]
    return Pipeline([("columns", choice), *steps])


def _name_nulls(estimator: Any) -> None:
    from sklearn.ensemble import VotingClassifier
    from sklearn.impute import SimpleImputer

    for part in parts(estimator):
        if isinstance(part, VotingClassifier):
            part.flatten_transform = False  # of its transform, which nothing calls here; with it skl2onnx gives up
        elif isinstance(part, SimpleImputer) and np.asarray(part.statistics_).dtype == object:
            part.set_params(missing_values=NULL_TEXT)


def parts(estimator: Any) -> list[Any]:
    """The estimator and, for pipelines and column transformers, everything fitted inside."""
    inner = [step for _, step in getattr(estimator, "steps", [])]
    inner += [transformer for _, transformer, *_ in getattr(estimator, "transformers_", []) if not isinstance(transformer, str)]
    return [estimator, *(part for child in inner for part in parts(child))]


def _chooses_columns(estimator: Any) -> bool:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[0][1]
    return isinstance(estimator, ColumnTransformer)


def _one_line(error: Exception) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{type(error).__name__}: {first[:300]}" if first else type(error).__name__
