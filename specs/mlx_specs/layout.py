"""Where things stand in a workspace: one place for every folder and file name below ``.mlx``."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Layout:
    """The folders of one environment, relative to the workspace; ``home`` is what resources carry as their input."""

    environment: str

    @property
    def home(self) -> str:
        """``.mlx/ENVIRONMENT``"""
        return f".mlx/{self.environment}"


STATE = ".mlx/state"
LOGS = ".mlx/logs"
CACHE = ".mlx/cache"


def dataset(home: str, name: str, content_digest: str) -> PurePosixPath:
    """The folder of one prepared content: data.parquet, rejected.parquet, manifest.json."""
    return PurePosixPath(home) / "datasets" / name / content_digest


def features(home: str, store: str) -> PurePosixPath:
    """A feature store: feature_store.yaml, registry.db, online.db and sources/DATASET.parquet."""
    return PurePosixPath(home) / "features" / store


def joined(home: str, consumer: str, content_digest: str) -> PurePosixPath:
    """Rows with their features: data.parquet, manifest.json."""
    return PurePosixPath(home) / "joined" / consumer / content_digest


def pipeline(home: str, name: str, ir_digest: str) -> PurePosixPath:
    """The compiled pipeline."""
    return PurePosixPath(home) / "pipelines" / name / f"{ir_digest}.yaml"


def artifact(home: str, model: str, fingerprint: str) -> PurePosixPath:
    """The packaged model."""
    return PurePosixPath(home) / "models" / model / fingerprint


def run(home: str, model: str, fingerprint: str) -> PurePosixPath:
    """What a pipeline run leaves: its steps' artifacts and its log."""
    return PurePosixPath(home) / "runs" / model / fingerprint


def training_failure(home: str, model: str) -> PurePosixPath:
    """What is known of the model's last training, where it failed."""
    return PurePosixPath(home) / "runs" / model / "failed.json"


def release(home: str, release_digest: str) -> PurePosixPath:
    """What a release has beside its models: release.json, compiled pipelines, the workspace's own code, manifest.json."""
    return PurePosixPath(home) / "releases" / release_digest


def last_failures(home: str) -> PurePosixPath:
    """What the environment's last update failed at."""
    return PurePosixPath(home) / "failed.json"


def tracking(home: str) -> PurePosixPath:
    """MLflow's SQLite database and artifacts."""
    return PurePosixPath(home) / "mlflow"


def endpoint(home: str, name: str) -> PurePosixPath:
    """A server's record and log."""
    return PurePosixPath(home) / "endpoints" / name


def all_predictions(home: str, name: str) -> PurePosixPath:
    """Of one inference: a folder a run, and latest.json."""
    return PurePosixPath(home) / "predictions" / name


def predictions(home: str, name: str, run_digest: str) -> PurePosixPath:
    """One committed batch of predictions."""
    return all_predictions(home, name) / run_digest


def prediction_log(home: str, name: str) -> PurePosixPath:
    """What an endpoint that is watched has answered: YYYY-MM-DDTHH/PART.parquet; ``home`` is empty in an environment's storage."""
    return all_predictions(home, name) / "log"


def log_hour(moment: datetime) -> str:
    """The folder of a prediction log that has the rows of a moment, in UTC."""
    return f"{moment:%Y-%m-%dT%H}"


def monitor(home: str, name: str) -> PurePosixPath:
    """A monitor's reports."""
    return PurePosixPath(home) / "monitors" / name


def stored(storage: str, *parts: str) -> str:
    """A place in an environment's storage: ``s3://bucket/prefix/PARTS``, and what its URL asks with."""
    place, _, query = storage.partition("?")
    return "/".join((place, *parts)) + (f"?{query}" if query else "")


def find_workspace(start: Path) -> Path | None:
    """The nearest folder at or above ``start`` that holds Pulumi.yaml."""
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return None


def user_cache() -> Path:
    """Where this user keeps what can be made or fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlx"
