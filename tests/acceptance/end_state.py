"""What an apply leaves behind, without what may differ between two runs of the same specs: run ids, processes, times."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

VOLATILE = {"runId", "pid", "boundPort", "url", "created", "modified", "requested"}
PROVIDER = "pulumi:providers:"
CONTENT = ("datasets", "joined", "models", "predictions", "pipelines")


def end_state(root: Path, project: str) -> dict[str, Any]:
    """Resources in state, versions and aliases in the registry, rows in online stores, and the bytes of all content-addressed files."""
    return {"resources": _resources(root, project), "registry": _registry(root), "online": _online(root), "files": _files(root)}


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


def _online(root: Path) -> dict[str, list[Any]]:
    """Every key's values and their event times, by table; not when they were written."""
    return {f"{path.parent.name}/{name}": rows for path in (root / ".mlx/local/features").glob("*/online.db") for name, rows in _tables(path)}


def _tables(path: Path) -> list[tuple[str, list[Any]]]:
    with sqlite3.connect(path) as database:
        names = database.execute("select name from sqlite_master where type = 'table' order by 1").fetchall()
        return [(name, database.execute(f'select entity_key, feature_name, value, event_ts from "{name}" order by 1, 2').fetchall()) for (name,) in names]


def _files(root: Path) -> dict[str, str]:
    home = root / ".mlx/local"
    files = [path for folder in CONTENT for path in sorted((home / folder).rglob("*")) if path.is_file()]
    return {path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
