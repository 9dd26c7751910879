"""The workspaces that ``mlx init`` starts. The flights are the reference workspace itself, packed when the wheel is built.

Enters: a template's name. Leaves: paths and texts; nothing is written here.
"""

import re
from pathlib import Path

REFERENCE = (
    "Pulumi.yaml",
    "feature_repo/.feastignore",
    "feature_repo/definitions.py",
    "feature_repo/feature_store.yaml",
    "feature_repo/flight_features.py",
    "kfp_pipelines/flight_network.py",
    "specs/checkin.yaml",
    "specs/clusters.yaml",
    "specs/delay.yaml",
    "specs/features.yaml",
    "specs/flights.yaml",
    "specs/minutes.yaml",
    "specs/schema/ReleaseLock.json",
    "specs/schema/mlx.json",
    "stacks/__main__.py",
    "stacks/dev.yaml",
    "stacks/k8s-prod.yaml",
    "stacks/k8s-staging.yaml",
    "stacks/local.yaml",
    "stacks/prod.yaml",
    "stacks/staging.yaml",
)
"""What of the reference workspace is a user's; tools/pack_templates.py packs these files into the wheel."""
SHARED = ("specs/schema/ReleaseLock.json", "specs/schema/mlx.json", "stacks/__main__.py")
"""What every workspace has: the editor's schemas, and the program for a bare `pulumi preview`."""

IGNORED = ".mlx/\n__pycache__/\n"

EMPTY_PROJECT = "name: {name}\nruntime: python\nmain: stacks/\n"
EMPTY_ENVIRONMENT = """\
# yaml-language-server: $schema=../specs/schema/mlx.json
apiVersion: mlx/v1
kind: Environment
metadata:
  name: local
  description: This machine; no cluster, no containers.
spec:
  target: {type: local}
"""


def empty(name: str) -> dict[str, str]:
    """A workspace without objects."""
    shared = {path: text_of(path) for path in SHARED}
    return {"Pulumi.yaml": EMPTY_PROJECT.format(name=name), "stacks/local.yaml": EMPTY_ENVIRONMENT, ".gitignore": IGNORED, **shared}


def flights(name: str) -> dict[str, str]:
    """The reference workspace, under another project name."""
    files = {path: text_of(path) for path in REFERENCE}
    return {**files, "Pulumi.yaml": re.sub(r"(?m)^name: .*$", f"name: {name}", files["Pulumi.yaml"]), ".gitignore": IGNORED}


def text_of(path: str) -> str:
    """A file of the reference workspace: from the wheel, else from the repository that is installed editable."""
    packed = Path(__file__).parent / "templates" / "flights" / path
    return (packed if packed.is_file() else Path(__file__).parents[2] / path).read_text(encoding="utf-8")
