"""A torch module as an estimator: it is fitted on a frame of columns, and predicts from one.

Numbers come to the module as they differ from their mean, in standard deviations, 0 for null; strings as codes, 0 for null and for what
training never saw. It learns on a GPU where one may be used and on the CPU otherwise, and is kept on the CPU.
"""

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.network_share import SHARED
from mlx_pipelines.network_training import Rows, fit_network
from mlx_pipelines.networks import GPUS, TRAINING, Training

PREDICTED_AT_ONCE = 65_536


class NetworkEstimator:
    """``fit``, ``predict`` and, for classes, ``predict_proba``; what packaging needs to know of it stands in attributes with an underscore at the end."""

    def __init__(self, module: type[nn.Module], parameters: Mapping[str, Any], training: Training, task: str, seed: int) -> None:
        self.module, self.parameters, self.training, self.task, self.seed = module, dict(parameters), training, task, seed
        self.folder: Path | None = None
        self.report: Callable[[str], None] = _silent

    def watch(self, folder: Path | None, report: Callable[[str], None]) -> "NetworkEstimator":
        """Where checkpoints are kept and who hears of each epoch."""
        self.folder, self.report = folder, report
        return self

    def fit(self, frame: Any, labels: NDArray[Any]) -> "NetworkEstimator":
        """Goes on after the last checkpoint in the folder, where there is one."""
        self._learn_columns(frame)
        target = self._learn_target(labels)
        torch.manual_seed(self.seed)
        self.network_ = self.module(len(self.numbers_), [len(known) + 1 for known in self.categories_.values()], self.outputs_, **self.parameters)
        numbers, codes = self._prepared(frame)
        fit_network(
            self.network_, Rows(numbers, codes, target), self.training, classes=self.classes_ is not None, seed=self.seed, device=device(), folder=self.folder,
            report=self.report,
        )  # fmt: skip
        self.network_.cpu().eval()
        return self

    def predict(self, frame: Any) -> NDArray[Any]:
        """Classes, or numbers in the unit of the target."""
        raw = self._raw(frame)
        return raw[:, 0].astype(float) * self.scale_ + self.center_ if self.classes_ is None else self.classes_[raw.argmax(axis=1)]

    def score(self, frame: Any, labels: NDArray[Any]) -> float:
        """Accuracy, or the share of the variance that is explained: what importance is measured by."""
        predicted = self.predict(frame)
        if self.classes_ is not None:
            return float((predicted == labels).mean())
        return float(1 - ((labels - predicted) ** 2).sum() / ((labels - labels.mean()) ** 2).sum())

    def __getattr__(self, name: str) -> Any:
        # Only a classifier has probabilities, as with scikit-learn's.
        if name == "predict_proba" and self.__dict__.get("classes_") is not None:
            return self._shares
        raise AttributeError(name)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "folder": None, "report": _silent}

    def to_onnx(self, inputs: list[Any]) -> bytes:
        """The graph: one input a column, as of every other model."""
        from mlx_runtime.packaging.network_graph import network_graph

        return network_graph(self, [tensor.name for tensor in inputs])

    def _learn_columns(self, frame: Any) -> None:
        self.columns_ = list(frame.columns)
        self.numbers_ = [name for name in frame.columns if frame[name].dtype != object]
        values = frame[self.numbers_].to_numpy(dtype=float)
        known = np.where(np.isnan(values), 0.0, values)
        count = np.maximum((~np.isnan(values)).sum(axis=0), 1)
        self.means_ = known.sum(axis=0) / count
        spread = np.sqrt((np.where(np.isnan(values), 0.0, values - self.means_) ** 2).sum(axis=0) / count)
        self.deviations_ = np.where(spread > 0, spread, 1.0)
        strings = [name for name in frame.columns if name not in self.numbers_]
        self.categories_ = {name: sorted({value for value in frame[name] if isinstance(value, str)}) for name in strings}

    def _learn_target(self, labels: NDArray[Any]) -> Tensor:
        if self.task == "classification":
            self.classes_, places = np.unique(labels, return_inverse=True)
            self.outputs_ = len(self.classes_)
            return torch.from_numpy(places.astype(np.int64))
        self.classes_, self.outputs_ = None, 1
        self.center_, self.scale_ = float(labels.mean()), float(labels.std()) or 1.0
        return torch.from_numpy(((labels - self.center_) / self.scale_).astype(np.float32))

    def _prepared(self, frame: Any) -> tuple[Tensor, Tensor]:
        values = frame[self.numbers_].to_numpy(dtype=float)
        if np.isinf(values).any():
            raise ValueError("Input contains infinity.")
        numbers = (np.where(np.isnan(values), self.means_, values) - self.means_) / self.deviations_
        codes = [_codes(frame[name], known) for name, known in self.categories_.items()]
        return torch.from_numpy(numbers.astype(np.float32)), torch.from_numpy(np.column_stack(codes) if codes else np.empty((len(frame), 0), dtype=np.int64))

    def _raw(self, frame: Any) -> NDArray[Any]:
        numbers, codes = self._prepared(frame)
        self.network_.eval()
        with torch.no_grad():
            parts = [self.network_(numbers[start : start + PREDICTED_AT_ONCE], codes[start : start + PREDICTED_AT_ONCE]) for start in _starts(len(numbers))]
        return torch.cat(parts).numpy()

    def _shares(self, frame: Any) -> NDArray[Any]:
        return torch.softmax(torch.from_numpy(self._raw(frame)), dim=1).numpy()


def make_network(module: type[nn.Module], algorithm: str, parameters: Mapping[str, Any], seed: int, task: str) -> NetworkEstimator:
    """The estimator, not yet fitted. Parameters of the training are told from the module's own by their names."""
    training = Training(**{name: value for name, value in parameters.items() if name in TRAINING})
    for name, (fits, words) in ALLOWED.items():
        if not fits(value := getattr(training, name)):
            raise PipelineError(f"{algorithm}: {name} is {words}, not {value!r}", hint="look at the model's parameters")
    _refuse_optimizer(algorithm, training.optimizer)
    own = {name: value for name, value in parameters.items() if name not in TRAINING}
    return NetworkEstimator(module, own, training, task, seed)


def _refuse_optimizer(algorithm: str, name: str) -> None:
    """It must be an optimizer, and one that is made from a learning rate and a decay of weights."""
    made = getattr(torch.optim, name, None)
    if not (isinstance(made, type) and issubclass(made, torch.optim.Optimizer)):
        raise PipelineError(f"{algorithm}: torch.optim has no optimizer {name!r}", hint="optimizer is a class of torch.optim, such as AdamW or SGD")
    if missing := sorted({"lr", "weight_decay"} - set(inspect.signature(made).parameters)):
        raise PipelineError(f"{algorithm}: torch.optim.{name} takes no {' and no '.join(missing)}", hint="take another one, such as AdamW or SGD")


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "epochs": (lambda value: _is_whole(value, 1), "a whole number from 1 on"),
    "batch_size": (lambda value: _is_whole(value, 1), "a whole number from 1 on"),
    "patience": (lambda value: value is None or _is_whole(value, 0), "a whole number from 0 on, or null"),
    "learning_rate": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "weight_decay": (_is_number, "a number from 0 on"),
    "optimizer": (lambda value: isinstance(value, str), "the name of a class of torch.optim"),
}
"""What a network's training takes, and how that is said."""


def device() -> torch.device:
    """A GPU where one is there and the Model does not say `gpu: 0`; what it demands must be there."""
    asked = os.environ.get(GPUS)
    if torch.cuda.is_available() and asked != "0":
        return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if os.environ.get(SHARED) else "cuda")
    if asked not in (None, "0"):
        built = "this torch was built without CUDA" if torch.version.cuda is None else f"torch was built for CUDA {torch.version.cuda} and cannot use one here"
        raise PipelineError(f"compute.gpu asks for {asked}: {built}", hint="look at nvidia-smi and its driver, or take compute.gpu out: it trains on the CPU")
    return torch.device("cpu")


def _codes(column: Any, known: list[str]) -> NDArray[np.int64]:
    places = {value: place for place, value in enumerate(known, 1)}
    return np.fromiter((places.get(value, 0) if isinstance(value, str) else 0 for value in column), dtype=np.int64, count=len(column))


def _starts(rows: int) -> range:
    return range(0, max(rows, 1), PREDICTED_AT_ONCE)


def _silent(line: str) -> None:
    """Nobody listens."""
