"""Where things stand in a workspace: one place for every folder and file name below ``.mlx``."""

from dataclasses import dataclass
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


def pipeline(home: str, name: str, ir_digest: str) -> PurePosixPath:
    """The compiled pipeline."""
    return PurePosixPath(home) / "pipelines" / name / f"{ir_digest}.yaml"


def artifact(home: str, model: str, fingerprint: str) -> PurePosixPath:
    """The packaged model."""
    return PurePosixPath(home) / "models" / model / fingerprint


def run(home: str, model: str, fingerprint: str) -> PurePosixPath:
    """What a pipeline run leaves: its steps' artifacts and its log."""
    return PurePosixPath(home) / "runs" / model / fingerprint


def tracking(home: str) -> PurePosixPath:
    """MLflow's SQLite database and artifacts."""
    return PurePosixPath(home) / "mlflow"


def endpoint(home: str, name: str) -> PurePosixPath:
    """A server's record and log."""
    return PurePosixPath(home) / "endpoints" / name


def predictions(home: str, name: str, run_digest: str) -> PurePosixPath:
    """One committed batch of predictions."""
    return PurePosixPath(home) / "predictions" / name / run_digest


def find_workspace(start: Path) -> Path | None:
    """The nearest folder at or above ``start`` that holds Pulumi.yaml."""
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return None
