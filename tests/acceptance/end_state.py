"""What an apply leaves behind, without what may differ between two runs of the same specs: run ids, processes, times."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

VOLATILE = {"runId", "pid", "boundPort", "url", "created", "modified", "requested"}
PROVIDER = "pulumi:providers:"
CONTENT = ("datasets", "models", "predictions", "pipelines")


def end_state(root: Path, project: str) -> dict[str, Any]:
    """Resources in state, versions and aliases in the registry, and the bytes of all content-addressed files."""
    return {"resources": _resources(root, project), "registry": _registry(root), "files": _files(root)}


def _resources(root: Path, project: str) -> list[Any]:
    stored = json.loads((root / f".mlx/state/.pulumi/stacks/{project}/local.json").read_text())["checkpoint"]["latest"]
    assert not stored.get("pending_operations"), stored["pending_operations"]
    resources = [item for item in stored["resources"] if not item["type"].startswith(PROVIDER)]
    return sorted((_stable({key: value for key, value in item.items() if key != "provider"}) for item in resources), key=lambda item: item["urn"])


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stable(item) for key, item in value.items() if key not in VOLATILE}
    return [_stable(item) for item in value] if isinstance(value, list) else value


def _registry(root: Path) -> dict[str, Any]:
    with sqlite3.connect(root / ".mlx/local/mlflow/mlflow.db") as database:
        fingerprints = "select t.name, t.version, t.value from model_version_tags t where t.key = 'mlx.fingerprint' order by 1, 2"
        return {
            "versions": database.execute(fingerprints).fetchall(),
            "all versions": database.execute("select name, version from model_versions order by 1, 2").fetchall(),
            "aliases": database.execute("select name, alias, version from registered_model_aliases order by 1, 2").fetchall(),
        }


def _files(root: Path) -> dict[str, str]:
    home = root / ".mlx/local"
    files = [path for folder in CONTENT for path in sorted((home / folder).rglob("*")) if path.is_file()]
    return {path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
