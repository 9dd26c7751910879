"""Quick reads of the registry: plain SQL on MLflow's SQLite file, in a pod the server's REST API; never by importing MLflow.

Enters: the workspace and an environment's folder. Leaves: frozen values, or nothing where there is no store yet. Never
writes. The tables are MLflow's; a test holds every answer here against MLflow's own.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mlx_features.sqlite_reads import open_to_read
from mlx_pipelines.registered import RecordedRun, Registered, RegisteredModel
from mlx_pipelines.registry_server import registered_name, registry_server
from mlx_specs import layout
from mlx_specs.resources import Version

DELETED = "Deleted_Internal"
"""The stage that MLflow gives to a version that was deleted."""


def database(workspace: Path, home: str) -> Path:
    """MLflow's file."""
    return workspace / layout.tracking(home) / "mlflow.db"


def find_version(workspace: Path, home: str, model: str, alias: str) -> Version | None:
    """What an alias points to."""
    found = [one for one in versions(workspace, home, model) if alias in one.aliases]
    return found[0].reference() if found else None


def find_fingerprint(workspace: Path, home: str, model: str, fingerprint: str) -> Registered | None:
    """The version that was made of this; the first one, should somebody have copied it."""
    return next((one for one in versions(workspace, home, model) if one.fingerprint == fingerprint), None)


def versions(workspace: Path, home: str, model: str) -> list[Registered]:
    """All versions of a model, the oldest first."""
    if server := registry_server():
        from mlx_pipelines.registry_rest import versions_of

        return versions_of(server.url, registered_name(server.namespace, model))
    with _opened(workspace, home) as connection:
        if connection is None:
            return []
        aliases = connection.execute("select version, alias from registered_model_aliases where name = ? order by alias", (model,)).fetchall()
        tags = connection.execute("select version, key, value from model_version_tags where name = ? order by key", (model,)).fetchall()
        rows = connection.execute(
            "select version, run_id, creation_time from model_versions where name = ? and current_stage != ? order by version", (model, DELETED)
        ).fetchall()
    return [
        Registered(
            version=str(number),
            run_id=run_id or "",
            created=created,
            tags={key: value for of, key, value in tags if of == number},
            aliases=tuple(alias for of, alias in aliases if of == number),
        )
        for number, run_id, created in rows
    ]


def find_run(workspace: Path, home: str, run_id: str) -> RecordedRun:
    """What was recorded of a run; nothing where it is gone. MLflow's own tags are left out."""
    with _opened(workspace, home) as connection:
        if connection is None:
            return RecordedRun({}, {}, {})
        params = connection.execute("select key, value from params where run_uuid = ? order by key", (run_id,)).fetchall()
        metrics = connection.execute("select key, value from latest_metrics where run_uuid = ? and not is_nan order by key", (run_id,)).fetchall()
        tags = connection.execute("select key, value from tags where run_uuid = ? and key not like 'mlflow.%' order by key", (run_id,)).fetchall()
    return RecordedRun(dict(params), dict(metrics), dict(tags))


def run_metrics(workspace: Path, home: str, model: str) -> dict[str, dict[str, float]]:
    """The last value of each metric of the runs behind a model's versions, by run; figures that are no numbers are left out."""
    with _opened(workspace, home) as connection:
        if connection is None:
            return {}
        rows = connection.execute(
            "select run_uuid, key, value from latest_metrics where is_nan = 0 and run_uuid in (select run_id from model_versions where name = ?) order by key",
            (model,),
        ).fetchall()
    found: dict[str, dict[str, float]] = {}
    for run, key, value in rows:
        found.setdefault(run, {})[key] = value
    return found


def find_model(workspace: Path, home: str, model: str) -> RegisteredModel | None:
    """The registered model itself."""
    if server := registry_server():
        from mlx_pipelines.registry_rest import model_of

        return model_of(server.url, registered_name(server.namespace, model))
    with _opened(workspace, home) as connection:
        if connection is None:
            return None
        row = connection.execute("select description from registered_models where name = ?", (model,)).fetchone()
        tags = connection.execute("select key, value from registered_model_tags where name = ?", (model,)).fetchall()
    return RegisteredModel(row[0] or "", dict(tags)) if row else None


@contextlib.contextmanager
def _opened(workspace: Path, home: str) -> Iterator[sqlite3.Connection | None]:
    """None where there is no store; one that is there has all its tables."""
    path = database(workspace, home)
    if not path.is_file():
        yield None
        return
    connection = open_to_read(path)
    try:
        yield connection
    finally:
        connection.close()
