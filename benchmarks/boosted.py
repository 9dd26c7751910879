"""The model of the benchmarks that ask an endpoint: boosted trees over numbers, as ONNX."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
from sklearn.ensemble import HistGradientBoostingClassifier

from mlx_runtime.columns import to_frame
from mlx_runtime.package import package
from mlx_specs.resources import Version


def boosted_model(workspace: Path, columns: Sequence[str]) -> Version:
    """Reads these columns; the first two decide."""
    random = np.random.default_rng(2)
    data = pyarrow.table({name: random.random(2000) for name in columns})
    labels = data[columns[0]].to_numpy() + data[columns[1]].to_numpy() > 1
    estimator = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(to_frame(data), labels)
    digest = package(
        estimator=estimator, data=data, labels=labels.tolist(), model="bench", fingerprint="1", task="classification", target="y", format="onnx",
        folder=workspace / "model", metrics={},
    )  # fmt: skip
    return Version(fingerprint="1", version="1", artifact="model", artifact_digest=digest)
