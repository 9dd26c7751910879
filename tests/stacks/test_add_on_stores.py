"""Where an add-on keeps what it must not lose."""

from typing import Any

import pytest

from mlx_components.clusters.releases import releases
from mlx_stacks.add_on_stores import in_files

ARTIFACTS = "--artifacts-destination=s3://lake/mlflow"


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({"args": ["server", "--backend-store-uri", "postgresql+psycopg2://db/mlflow", ARTIFACTS]}, None),
        ({"command": ["sh", "-c", f"mlflow server --backend-store-uri postgresql://db/mlflow {ARTIFACTS}"]}, None),
        ({"args": [ARTIFACTS], "env": [{"name": "MLFLOW_BACKEND_STORE_URI", "valueFrom": {"secretKeyRef": {"name": "db", "key": "uri"}}}]}, None),
        ({"args": [ARTIFACTS], "envFrom": [{"secretRef": {"name": "db"}}]}, None),
        ({"args": [ARTIFACTS, "--backend-store-uri=$(DATABASE)"]}, None),
        ({"args": [ARTIFACTS, "--backend-store-uri=/mlruns"]}, "is /mlruns"),
        ({"args": [ARTIFACTS], "env": [{"name": "MLFLOW_BACKEND_STORE_URI", "value": "sqlite:////data/mlflow.db"}]}, "is sqlite:////data/mlflow.db"),
        ({"args": [ARTIFACTS]}, "is not given"),
    ],
)
def test_runs_and_versions_outlast_the_pod_or_it_is_told(container: dict[str, Any], told: str | None) -> None:
    workload = {"spec": {"template": {"spec": {"containers": [container]}}}}
    said = f"runs and versions are in files of its pod: --backend-store-uri {told}; give it Postgres: postgresql://USER@HOST/DATABASE"
    assert in_files(releases()["mlflow"], workload) == ((said,) if told else ())


def test_what_is_not_there_loses_nothing() -> None:
    assert in_files(releases()["mlflow"], {}) == ()
