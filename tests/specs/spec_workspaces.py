"""Small workspaces that tests of specs and of stacks write: stacks/local.yaml and specs/specs.yaml."""

from pathlib import Path

LOCAL = "apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: local}\nspec:\n  variables: {depth: 6, name: tree, deep: true, rate: 0.1}\n"
PIPELINE = "apiVersion: mlx/v1\nkind: Pipeline\nmetadata: {name: tabular}\nspec: {entry: 'steps:pipeline', arguments: {keep: [1, 2], drop: x}}\n"
TABULAR = "apiVersion: mlx/v1\nkind: Pipeline\nmetadata: {name: tabular}\nspec: {entry: 'mlx_pipelines.tabular:pipeline'}\n"
DATASET = """apiVersion: mlx/v1
kind: Dataset
metadata: {name: flights}
spec:
  source: {type: csv, path: flights.csv}
  eventTime: day
  keys: [flight]
  columns:
    flight: {type: integer}
    day: {type: timestamp}
    carrier: {type: string}
    late: {type: boolean}
"""
DELAY = """apiVersion: mlx/v1
kind: Model
metadata: {name: delay}
spec:
  task: classification
  pipeline: tabular
  data: flights
  target: late
  features: [carrier]
  algorithm: sklearn.tree.DecisionTreeClassifier
  parameters:
    max_depth: ${var.depth}
"""
MODEL = f"""{DELAY}    note: "${{var.name}} of ${{var.depth}}, ${{var.deep}}, $${{var.depth}}"
"""


def workspace(folder: Path, *specs: str, **environments: str) -> Path:
    """The folder as a workspace with these documents, and environments by name (local by default)."""
    (folder / "specs").mkdir(parents=True, exist_ok=True)
    (folder / "stacks").mkdir(exist_ok=True)
    (folder / "specs/specs.yaml").write_text("---\n".join(specs))
    for name, text in (environments or {"local": LOCAL}).items():
        (folder / "stacks" / f"{name}.yaml").write_text(text)
    return folder


def environment(name: str, spec: str = "") -> str:
    """An environment's YAML; ``spec`` is the indented text below spec."""
    return f"apiVersion: mlx/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec:\n{spec or '  parallel: 4'}\n"
