"""Where a feature store stands, and what it and its objects are called in Feast: the two things that everybody must agree on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlx_specs import layout

CONFIG = "feature_store.yaml"
REGISTRY = "registry.db"
ONLINE = "online.db"
SOURCES = "sources"
CODE = "feature_repo"
"""The folder of the workspace that holds the functions of on-demand views."""


def project(store: str) -> str:
    """The Feast project of a store."""
    return feast_name(store)


def feast_name(name: str) -> str:
    """A name as Feast takes it: it becomes a part of table names, where ``-`` is none."""
    return name.replace("-", "_")


def folder(workspace: Path, home: str, store: str) -> Path:
    """HOME/features/STORE"""
    return (workspace / layout.features(home, store)).absolute()


def config_path(home: str, store: str) -> str:
    """feature_store.yaml, relative to the workspace."""
    return str(layout.features(home, store) / CONFIG)


def online_path(home: str, store: str) -> str:
    """online.db, relative to the workspace."""
    return str(layout.features(home, store) / ONLINE)


def source_path(store_folder: Path, dataset: str) -> Path:
    """The stable path of a dataset's current rows."""
    return store_folder / SOURCES / f"{dataset}.parquet"


def table(store: str, view: str) -> str:
    """The SQLite table of a view."""
    return f"{project(store)}_{feast_name(view)}"


STORES = {"postgres": "mlx_features.postgres_store.NewestPostgreSQLOnlineStore", "redis": "mlx_features.redis_store.NewestRedisOnlineStore"}
"""Our classes of Feast's stores, by the type in a FeatureStore."""


def online_config(type: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of an online store in feature_store.yaml; empty: the file in the store's folder."""
    return {"type": STORES[type], **settings} if type in STORES else {}


def config_text(store: str, prefix: str = "", online: Mapping[str, Any] | None = None) -> str:
    """feature_store.yaml; ``prefix`` leads from its folder to the store's, with a slash at the end."""
    file = {"type": "mlx_features.online_store.NewestSqliteOnlineStore", "path": f"{prefix}{ONLINE}"}
    return yaml.safe_dump(
        {
            "project": project(store),
            "provider": "local",
            "registry": f"{prefix}{REGISTRY}",
            "online_store": dict(online) if online else file,
            "offline_store": {"type": "mlx_features.offline_store.AsofDuckDBOfflineStore"},
            "batch_engine": {"type": "mlx_features.materialization_engine.LatestComputeEngine"},
            "entity_key_serialization_version": 3,
        },
        sort_keys=False,
    )
