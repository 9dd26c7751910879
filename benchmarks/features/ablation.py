"""What each group of features is worth to `delay-checkin`: its held-out AUC without them, with each of them, and with all.

    mlx apply --yes; python benchmarks/features/ablation.py [WORKSPACE]

Reads the rows that the applied model was trained on (``.mlx/local/joined/model.delay-checkin``) and trains the model's own
algorithm with its own parameters, seed and split on fewer columns; nothing is registered.
"""

import sys
from pathlib import Path

import pyarrow.parquet as parquet
from sklearn.metrics import roc_auc_score

from mlx_pipelines.algorithm import make_estimator
from mlx_pipelines.rows import feature_frame, hold_out, labels
from mlx_specs.model import Model
from mlx_stacks.workspace import open_workspace

GROUPS = {
    "weather": ("temperature", "humidity", "wind", "rain", "air_pressure", "visibility"),
    "rates": ("carrier_late_rate", "carrier_week_late_rate", "route_late_rate", "route_week_late_rate"),
    "plane": ("seats", "plane_age"),
}


def main() -> None:
    """Prints the table."""
    workspace = open_workspace(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
    node = workspace.graph.get("Model/delay-checkin")
    assert node is not None and isinstance(node.object, Model)
    spec = node.object.spec
    assert spec.features is not None and spec.algorithm is not None
    added = [name for names in GROUPS.values() for name in names]
    ticket = [name for name in spec.features if name not in added]
    (path,) = (workspace.home / "joined" / "model.delay-checkin").glob("*/data.parquet")
    training, held_out = hold_out(parquet.read_table(path), spec.split, "time_hour", spec.seed)
    print("| features | AUC |\n|---|---:|")
    for name, more in {"the ticket only": (), **{f"+ {name}": names for name, names in GROUPS.items()}, "all": added}.items():
        columns = [*ticket, *more]
        frame = feature_frame(training, columns)
        fitted = make_estimator(spec.algorithm, spec.parameters, spec.seed, spec.task, frame).fit(frame, labels(training, spec.target, spec.task))
        scores = fitted.predict_proba(feature_frame(held_out, columns))[:, 1]
        print(f"| {name} | {roc_auc_score(labels(held_out, spec.target, spec.task), scores):.4f} |", flush=True)


if __name__ == "__main__":
    main()
