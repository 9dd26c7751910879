"""A fitted torch module as an ONNX graph that takes columns: preparation before it, classes and probabilities after it.

torch exports the module between them; strings and nulls are not torch's. Whether the graph predicts what the module does is for parity to say.
"""

import io
import logging
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, load_model_from_string, numpy_helper

from mlx_runtime.packaging.errors import ConversionError

ML = "ai.onnx.ml"
OPSET = 18


def network_graph(estimator: Any, columns: list[str]) -> bytes:
    """``estimator`` is a fitted NetworkEstimator of mlx_pipelines; inputs of shape [None, 1], doubles for numbers."""
    middle = _exported(estimator)
    before, after = _before(estimator, columns), _after(estimator)
    versions = {opset.domain: opset.version for opset in middle.opset_import if opset.domain == ""}
    for part in (before, after):
        part.opset_import[0].version = versions.get("", OPSET)
        part.ir_version = middle.ir_version
    joined = compose.merge_models(before, compose.add_prefix(middle, "network_"), io_map=_io_map(middle))
    joined = compose.merge_models(joined, after, io_map=[("network_raw", "raw")])
    return joined.SerializeToString(deterministic=True)


def _io_map(middle: ModelProto) -> list[tuple[str, str]]:
    return [(each.name, f"network_{each.name}") for each in middle.graph.input]


def _exported(estimator: Any) -> ModelProto:
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    rows = 3
    numbers = torch.zeros(rows, len(estimator.numbers_))
    codes = torch.zeros(rows, len(estimator.categories_), dtype=torch.int64)
    network = estimator.network_.cpu().eval()
    file = io.BytesIO()
    names = {"input_names": ["numbers", "codes"], "output_names": ["raw"]}
    axes = {name: {0: "rows"} for name in ("numbers", "codes", "raw")}
    try:
        torch.onnx.export(network, (numbers, codes), file, dynamo=False, opset_version=OPSET, dynamic_axes=axes, **names)  # type: ignore[arg-type]
    except Exception as error:  # torch raises whatever a module's own code makes it raise
        raise ConversionError(f"torch: {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}") from error
    return load_model_from_string(file.getvalue())


def _before(estimator: Any, columns: list[str]) -> ModelProto:
    """Columns to numbers and codes."""
    nodes, constants, inputs = list[Any](), list[Any](), list[Any]()
    for column in columns:
        kind = TensorProto.STRING if column in estimator.categories_ else TensorProto.DOUBLE
        inputs.append(helper.make_tensor_value_info(column, kind, [None, 1]))
    prepared = [_number(estimator, place, name, nodes, constants) for place, name in enumerate(estimator.numbers_)]
    coded = [_code(name, known, nodes) for name, known in estimator.categories_.items()]
    outputs = [_joined(prepared, "numbers", TensorProto.FLOAT, nodes), _joined(coded, "codes", TensorProto.INT64, nodes)]
    graph = helper.make_graph(nodes, "before", inputs, [output for output in outputs if output is not None], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, 3)])


def _number(estimator: Any, place: int, column: str, nodes: list[Any], constants: list[Any]) -> str:
    """(x - mean) / deviation in doubles, as the estimator does it; null is the mean."""
    at = f"before_{column}"
    for name, values in (("mean", estimator.means_), ("deviation", estimator.deviations_)):
        constants.append(numpy_helper.from_array(np.array([values[place]], dtype=np.float64), f"{at}_{name}"))
    nodes.append(helper.make_node("IsNaN", [column], [f"{at}_missing"]))
    nodes.append(helper.make_node("Where", [f"{at}_missing", f"{at}_mean", column], [f"{at}_filled"]))
    nodes.append(helper.make_node("Sub", [f"{at}_filled", f"{at}_mean"], [f"{at}_centred"]))
    nodes.append(helper.make_node("Div", [f"{at}_centred", f"{at}_deviation"], [f"{at}_scaled"]))
    nodes.append(helper.make_node("Cast", [f"{at}_scaled"], [f"{at}_single"], to=TensorProto.FLOAT))
    return f"{at}_single"


def _code(column: str, known: list[str], nodes: list[Any]) -> str:
    keys = known or ["\ue001none"]
    nodes.append(
        helper.make_node(
            "LabelEncoder", [column], [f"before_{column}_code"], domain=ML, keys_strings=keys, values_int64s=list(range(1, len(keys) + 1)), default_int64=0
        )
    )
    return f"before_{column}_code"


def _joined(parts: list[str], name: str, kind: int, nodes: list[Any]) -> Any:
    if not parts:
        return None
    nodes.append(helper.make_node("Concat", parts, [name], axis=1))
    return helper.make_tensor_value_info(name, kind, ["rows", len(parts)])


def _after(estimator: Any) -> ModelProto:
    """Raw outputs to label and probabilities, or to the prediction in the unit of the target."""
    raw = helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["rows", estimator.outputs_])
    graph = _regression(estimator, raw) if estimator.classes_ is None else _classification(estimator, raw)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def _regression(estimator: Any, raw: Any) -> Any:
    """In doubles, as the estimator does it."""
    constants = [
        numpy_helper.from_array(np.array([value], dtype=np.float64), name) for name, value in (("scale", estimator.scale_), ("center", estimator.center_))
    ]
    nodes = [
        helper.make_node("Cast", ["raw"], ["double"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["double", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "center"], ["moved"]),
        helper.make_node("Cast", ["moved"], ["prediction"], to=TensorProto.FLOAT),
    ]
    return helper.make_graph(nodes, "after", [raw], [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["rows", 1])], constants)


def _classification(estimator: Any, raw: Any) -> Any:
    classes = estimator.classes_
    text = isinstance(classes[0], str)
    kind = TensorProto.STRING if text else TensorProto.INT64
    table = numpy_helper.from_array(np.array([str(value) for value in classes], dtype=object) if text else np.asarray(classes).astype(np.int64), "classes")
    nodes = [
        helper.make_node("Softmax", ["raw"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["raw"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["classes", "best"], ["label"]),
    ]
    shares = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", len(classes)])
    return helper.make_graph(nodes, "after", [raw], [helper.make_tensor_value_info("label", kind, ["rows"]), shares], [table])
