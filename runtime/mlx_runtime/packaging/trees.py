"""Tree ensembles as ONNX, to the bit of scikit-learn's comparisons.

skl2onnx's trees compare float32 with float32 thresholds: rows near a threshold take the other branch (seen: 0.07 in a
probability of histogram boosting, 0.4 of a forest behind a scaler). ONNX Runtime's TreeEnsembleRegressor compares and
sums doubles, so every ensemble here becomes one of those; what follows it turns its sums into probabilities and a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlx_runtime.packaging.errors import ConversionError

HISTOGRAMS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
FORESTS = (RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor)
TREES = (*HISTOGRAMS, *FORESTS, DecisionTreeClassifier, DecisionTreeRegressor)
LINKS = {"IdentityLink": "Identity", "LogLink": "Exp"}
ML, ML_VERSION = "ai.onnx.ml", 3


def convert_trees(scope: Any, operator: Any, container: Any) -> None:
    """Sums of leaves in doubles; then the inverse link and the label, where there are such."""
    model = operator.raw_operator
    raw = _sums(scope, operator, container, model)
    if not is_classifier(model):
        link = LINKS[type(model._loss.link).__name__] if hasattr(model, "_loss") else "Identity"
        container.add_node(link, raw, operator.outputs[0].full_name, name=_name(scope, "Link"))
        return
    shares = _shares(scope, container, raw, model) if hasattr(model, "_loss") else raw
    container.add_node("Identity", shares, operator.outputs[1].full_name, name=_name(scope, "Probabilities"))
    _label(scope, operator, container, shares, model.classes_)


def shape_trees(operator: Any) -> None:
    """Whatever goes in, numbers come out as float32."""
    model, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    if getattr(model, "n_outputs_", 1) != 1:
        raise ConversionError("trees with several outputs")
    if not is_classifier(model):
        operator.outputs[0].type = FloatTensorType([rows, 1])
        return
    operator.outputs[0].type = StringTensorType([rows]) if isinstance(model.classes_[0], str) else Int64TensorType([rows])
    operator.outputs[1].type = FloatTensorType([rows, len(model.classes_)])


@dataclass(frozen=True)
class Tree:
    """One tree as arrays over its nodes; ``leaves`` has a column for each of the targets from ``target`` on."""

    leaf: NDArray
    feature: NDArray
    threshold: NDArray
    left: NDArray
    right: NDArray
    missing_left: NDArray
    leaves: NDArray
    target: int = 0


def _sums(scope: Any, operator: Any, container: Any, model: Any) -> str:
    values = concatenate_variables(scope, operator.inputs, container)
    if not isinstance(model, HISTOGRAMS):
        # Forests round their inputs to float32 and compare them with float64 thresholds.
        container.add_node("Cast", values, single := _name(scope, "single"), name=_name(scope, "Cast"), to=TensorProto.FLOAT)
        values = single
    container.add_node("Cast", values, double := _name(scope, "double"), name=_name(scope, "Cast"), to=TensorProto.DOUBLE)
    trees, base = _read_histograms(model) if isinstance(model, HISTOGRAMS) else _read_forest(model)
    container.add_node(
        "TreeEnsembleRegressor", double, sums := _name(scope, "sums"), name=_name(scope, "Trees"), op_domain=ML, op_version=ML_VERSION,
        n_targets=len(base), base_values_as_tensor=_doubles("base", base), **_attributes(trees),
    )  # fmt: skip
    return sums


def _read_histograms(model: Any) -> tuple[list[Tree], NDArray]:
    trees = [_histogram_tree(tree.nodes, target) for iteration in model._predictors for target, tree in enumerate(iteration)]
    return trees, np.asarray(model._baseline_prediction, dtype=np.float64).ravel()


def _histogram_tree(nodes: NDArray, target: int) -> Tree:
    if nodes["is_categorical"].any():
        raise ConversionError("histogram boosting with categorical splits (categorical_features)")
    return Tree(
        leaf=nodes["is_leaf"].astype(bool), feature=nodes["feature_idx"], threshold=nodes["num_threshold"], left=nodes["left"], right=nodes["right"],
        missing_left=nodes["missing_go_to_left"], leaves=nodes["value"].reshape(-1, 1), target=target,
    )  # fmt: skip


def _read_forest(model: Any) -> tuple[list[Tree], NDArray]:
    estimators = model.estimators_ if isinstance(model, FORESTS) else [model]
    trees = [_forest_tree(estimator.tree_, 1.0 / len(estimators), is_classifier(model)) for estimator in estimators]
    return trees, np.zeros(trees[0].leaves.shape[1])


def _forest_tree(tree: Any, weight: float, shares: bool) -> Tree:
    leaves = tree.value[:, 0, :]
    if shares:
        leaves = leaves / leaves.sum(axis=1, keepdims=True)
    return Tree(
        leaf=tree.children_left < 0, feature=tree.feature, threshold=tree.threshold, left=tree.children_left, right=tree.children_right,
        missing_left=tree.missing_go_to_left, leaves=leaves * weight,
    )  # fmt: skip


def _attributes(trees: Sequence[Tree]) -> dict[str, Any]:
    """All trees as the flat arrays of ai.onnx.ml; where a null goes is called missing_value_tracks_true there."""
    sizes = [len(tree.leaf) for tree in trees]
    tree_ids, node_ids = np.repeat(np.arange(len(trees)), sizes), np.concatenate([np.arange(size) for size in sizes])
    leaf = np.concatenate([tree.leaf for tree in trees])
    width = trees[0].leaves.shape[1]
    targets = np.repeat([tree.target for tree in trees], sizes)[leaf]
    return {
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_featureids": _inner(leaf, [tree.feature for tree in trees]).tolist(),
        "nodes_truenodeids": _inner(leaf, [tree.left for tree in trees]).tolist(),
        "nodes_falsenodeids": _inner(leaf, [tree.right for tree in trees]).tolist(),
        "nodes_missing_value_tracks_true": _inner(leaf, [tree.missing_left for tree in trees]).tolist(),
        "nodes_values_as_tensor": _doubles("thresholds", _inner(leaf, [tree.threshold for tree in trees])),
        "target_treeids": np.repeat(tree_ids[leaf], width).tolist(),
        "target_nodeids": np.repeat(node_ids[leaf], width).tolist(),
        "target_ids": (targets[:, None] + np.arange(width)).ravel().tolist(),
        "target_weights_as_tensor": _doubles("leaves", np.concatenate([tree.leaves[tree.leaf] for tree in trees]).ravel()),
    }


def _inner(leaf: NDArray, arrays: list[NDArray]) -> NDArray:
    """One attribute of all nodes, 0 for leaves."""
    values = np.concatenate(arrays)
    return np.where(leaf, np.zeros(1, values.dtype), values)


def _shares(scope: Any, container: Any, raw: str, model: Any) -> str:
    shares = _name(scope, "shares")
    if model.n_trees_per_iteration_ > 1:
        container.add_node("Softmax", raw, shares, name=_name(scope, "Softmax"), axis=1)
        return shares
    container.add_node("Sigmoid", raw, positive := _name(scope, "positive"), name=_name(scope, "Sigmoid"))
    container.add_initializer(one := _name(scope, "one"), TensorProto.FLOAT, [1], [1.0])
    container.add_node("Sub", [one, positive], negative := _name(scope, "negative"), name=_name(scope, "Sub"))
    container.add_node("Concat", [negative, positive], shares, name=_name(scope, "Concat"), axis=1)
    return shares


def _label(scope: Any, operator: Any, container: Any, shares: str, classes: Any) -> None:
    container.add_node("ArgMax", shares, best := _name(scope, "best"), name=_name(scope, "ArgMax"), axis=1, keepdims=0)
    table = _name(scope, "classes")
    if isinstance(classes[0], str):
        container.add_initializer(table, TensorProto.STRING, [len(classes)], [str(value).encode() for value in classes])
    else:
        container.add_initializer(table, TensorProto.INT64, [len(classes)], [int(value) for value in classes])
    container.add_node("Gather", [table, best], operator.outputs[0].full_name, name=_name(scope, "Gather"))


def _doubles(name: str, values: NDArray) -> Any:
    return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)


def _name(scope: Any, hint: str) -> str:
    return scope.get_unique_variable_name(f"mlx_{hint}")
