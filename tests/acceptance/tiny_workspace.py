"""The smallest workspace with all that works: a dataset of 60 rows, a model that trains in a moment, an endpoint and a batch."""

import csv
from pathlib import Path

TINY = """\
apiVersion: mlx/v1
kind: Dataset
metadata: {name: tumours}
spec:
  source: {type: csv, path: data/tumours.csv}
  keys: [id]
  columns:
    id: {type: integer}
    radius: {type: float}
    texture: {type: float}
    malignant: {type: boolean}
---
apiVersion: mlx/v1
kind: Pipeline
metadata: {name: tabular}
spec: {entry: "mlx_pipelines.tabular:pipeline"}
---
apiVersion: mlx/v1
kind: Model
metadata: {name: tumour}
spec:
  task: classification
  pipeline: tabular
  data: tumours
  target: malignant
  algorithm: sklearn.linear_model.LogisticRegression
  parameters: {C: 1.0}
  success: [{metric: roc_auc, atLeast: 0.6}]
---
apiVersion: mlx/v1
kind: Inference
metadata: {name: tumour-api}
spec: {mode: realtime, model: tumour@champion}
---
apiVersion: mlx/v1
kind: Inference
metadata: {name: tumour-batch}
spec: {mode: batch, model: tumour@champion, batch: {input: tumours}}
"""


def tiny_workspace(folder: Path) -> Path:
    """Writes the tiny workspace into a folder that does not exist yet."""
    (folder / "specs").mkdir(parents=True)
    (folder / "stacks").mkdir()
    (folder / "data").mkdir()
    (folder / "Pulumi.yaml").write_text("name: tiny\nruntime: python\nmain: stacks/\n")
    (folder / "stacks" / "local.yaml").write_text("apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\n")
    (folder / "specs" / "tiny.yaml").write_text(TINY)
    with (folder / "data" / "tumours.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "radius", "texture", "malignant"])
        rows.writerows([i, 10 + i % 7 + 5 * (i % 2), 15 + i % 5, str(i % 2 == 1).lower()] for i in range(60))
    return folder
