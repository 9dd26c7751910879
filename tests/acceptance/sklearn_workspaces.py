"""Two workspaces on data that scikit-learn ships, written to CSV: a regression and a classification."""

from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes


def write_diabetes(folder: Path) -> list[str]:
    """442 patients; returns the names of the features."""
    return _write(load_diabetes(as_frame=True, scaled=False).frame, "target", folder / "data" / "diabetes.csv")


def write_breast_cancer(folder: Path) -> list[str]:
    """569 tumours; returns the names of the features."""
    return _write(load_breast_cancer(as_frame=True).frame, "target", folder / "data" / "tumours.csv")


def _write(frame: Any, target: str, path: Path) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.columns = [str(name).replace(" ", "_") for name in frame.columns]
    frame.insert(0, "patient", range(len(frame)))
    frame.to_csv(path, index=False)
    return [name for name in frame.columns if name not in (target, "patient")]


def objects(data: str, path: str, model: dict[str, Any]) -> list[dict[str, Any]]:
    """A dataset, the reference pipeline, a model, an endpoint and a batch run."""
    name = model["metadata"]["name"]
    return [
        {"kind": "Dataset", "metadata": {"name": data}, "spec": {"source": {"type": "csv", "path": path}, "keys": ["patient"]}},
        {"kind": "Pipeline", "metadata": {"name": "tabular"}, "spec": {"entry": "mlx_pipelines.tabular:pipeline"}},
        model,
        {"kind": "Inference", "metadata": {"name": f"{name}-api"}, "spec": {"mode": "realtime", "model": f"{name}@champion"}},
        {"kind": "Inference", "metadata": {"name": f"{name}-all"}, "spec": {"mode": "batch", "model": f"{name}@champion", "batch": {"input": data}}},
    ]


def diabetes_model() -> dict[str, Any]:
    """A ridge regression."""
    spec = {
        "task": "regression",
        "pipeline": "tabular",
        "data": "patients",
        "target": "target",
        "algorithm": "sklearn.linear_model.Ridge",
        "parameters": {"alpha": 1.0},
        "seed": 3,
        "success": [{"metric": "r2", "atLeast": 0.3, "tolerance": 0.05}],
    }
    return {"kind": "Model", "metadata": {"name": "progression"}, "spec": spec}


def tumour_model() -> dict[str, Any]:
    """A random forest."""
    spec = {
        "task": "classification",
        "pipeline": "tabular",
        "data": "tumours",
        "target": "target",
        "algorithm": "sklearn.ensemble.RandomForestClassifier",
        "parameters": {"n_estimators": 30, "max_depth": 5},
        "success": [{"metric": "roc_auc", "atLeast": 0.95}],
    }
    return {"kind": "Model", "metadata": {"name": "malignant"}, "spec": spec}
