"""scikit-learn itself, for models that do not compile: a skops file where that format knows all types, else a pickle.

A pickle runs code when it is opened. It is opened only here, after the artifact's manifest was verified against a digest
from the environment's own registry.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mlx_runtime.columns import Columns, frame_of
from mlx_runtime.engines import EngineError, Outputs
from mlx_specs.artifact import ModelFile

SKOPS_FILE = "model.skops"
PICKLE_FILE = "model.pkl"
TRUSTED_LIBRARIES = frozenset({"numpy", "scipy", "sklearn"})


def load_native(folder: Path, model: ModelFile, threads: int) -> "NativeEngine":
    """The fitted estimator of the artifact."""
    path = folder / model.engine_file
    try:
        estimator = _open_skops(path) if path.name == SKOPS_FILE else _open_pickle(path)
    except (ImportError, AttributeError) as error:
        raise EngineError(f"{path} needs code that is not installed here: {error}") from error
    return NativeEngine(estimator, model, threads)


class NativeEngine:
    """An estimator and how its outputs become ours."""

    def __init__(self, estimator: Any, model: ModelFile, threads: int) -> None:
        self._estimator = estimator
        self._outputs = [tensor.name for tensor in model.outputs]
        self._threads = threads

    def predict(self, columns: Columns) -> Outputs:
        """Predicts as the estimator does. scikit-learn's OpenMP on shared cores is slower than one thread, hence the limit."""
        from threadpoolctl import threadpool_limits

        frame = frame_of(columns)
        with threadpool_limits(self._threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return native_outputs(self._estimator, frame, self._outputs)


def native_outputs(estimator: Any, frame: Any, names: list[str]) -> Outputs:
    """Label and probabilities, or prediction, of an estimator for the rows of a frame."""
    prediction = np.asarray(estimator.predict(frame)).reshape(-1)
    prediction = prediction.astype(object) if prediction.dtype.kind == "U" else prediction
    if len(names) == 1:
        return {names[0]: prediction}
    return dict(zip(names, [prediction, *estimator.predict_proba(frame).T], strict=True))


def trusted_types(types: list[str]) -> list[str]:
    """Those of the libraries' own types that skops asks about: compiled classes of scikit-learn and NumPy, and no one else's."""
    return [name for name in types if name.split(".")[0] in TRUSTED_LIBRARIES]


def _open_skops(path: Path) -> Any:
    from skops.io import get_untrusted_types, load

    return load(path, trusted=trusted_types(get_untrusted_types(file=path)))


def _open_pickle(path: Path) -> Any:
    import joblib

    return joblib.load(path)
