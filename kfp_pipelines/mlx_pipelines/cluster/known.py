"""What a run on a cluster learns from: settled by its first step, and the same for all that follow.

A submitted run speaks of definitions. Enters: a SubmittedRun. Leaves: its version with contents in their place, and what has to be
replaced in a step's own arguments. Features are joined here, once: a version learns from rows that have them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from mlx_pipelines.contract import EVERY_COLUMN, default_features
from mlx_pipelines.registered import version_fingerprint
from mlx_runtime.cluster.datasets import content_key, fetch_rows, prepared_data
from mlx_runtime.cluster.joined import join_features, joined_key
from mlx_runtime.cluster.run import Run
from mlx_runtime.cluster.storage import Storage
from mlx_specs.feature_resources import FeatureJoin
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.pipeline_resources import SubmittedRun
from mlx_specs.resources import PreparedData, Wire


class Settled(Wire):
    """STORAGE/runs/MODEL/DEFINITION/started/RUN.json"""

    content_digest: str
    """Of the rows, with their features where there are some."""
    key: str
    """The rows' folder in the storage."""
    path: str
    """Their file in a workspace, as on a laptop."""
    features: list[str]
    """The Model's own, or every column that may be one."""


@dataclass(frozen=True)
class Known:
    """One run, of which everything is known."""

    submitted: SubmittedRun
    settled: Settled

    @cached_property
    def fingerprint(self) -> str:
        """Of the definition and of the rows."""
        return version_fingerprint(self.submitted.version.fingerprint, self.settled.content_digest)

    @cached_property
    def version(self) -> ModelVersionInputs:
        """As a laptop would have submitted it."""
        asked, settled = self.submitted.version, self.settled
        data = asked.data.model_copy(update={"digest": settled.content_digest, "path": settled.path})
        return asked.model_copy(update={"fingerprint": self.fingerprint, "data": data, "features": settled.features})

    def replaced(self, value: Any) -> Any:
        """A step's arguments with contents in the place of definitions."""
        if isinstance(value, str):
            for old, new in self._replacements:
                value = value.replace(old, new)
            return value
        if isinstance(value, Mapping):
            return {key: self.replaced(item) for key, item in cast("Mapping[str, Any]", value).items()}
        if isinstance(value, list):
            return [self.replaced(item) for item in cast("list[Any]", value)]
        return value

    @cached_property
    def _replacements(self) -> tuple[tuple[str, str], ...]:
        """The path before the digest that stands in it."""
        asked, now = self.submitted.version, self.version
        features = (json.dumps([EVERY_COLUMN]), json.dumps(self.settled.features))
        return (features, (asked.data.path, now.data.path), (asked.data.digest, now.data.digest), (asked.fingerprint, now.fingerprint))


def settle(submitted: SubmittedRun, run_id: str, storage: Storage, run: Run) -> Known:
    """Waits for the rows where they are being prepared; raises ``PipelineError`` and ``RuntimeFailure``."""
    key = _key(submitted, run_id)
    if not is_settled(submitted, run_id, storage):
        storage.write_json(key, _look(submitted, storage, run).wire())
    return Known(submitted, Settled.model_validate(storage.read_json(key)))


def is_settled(submitted: SubmittedRun, run_id: str, storage: Storage) -> bool:
    """Whether the first step, or process, has done so."""
    return storage.read(_key(submitted, run_id)) is not None


def _key(submitted: SubmittedRun, run_id: str) -> str:
    return f"runs/{submitted.version.model}/{submitted.version.fingerprint}/started/{run_id}.json"


def _look(submitted: SubmittedRun, storage: Storage, run: Run) -> Settled:
    version, join = submitted.version, submitted.join
    data = prepared_data(version.data, storage, run)
    settled = Settled(content_digest=data.digest, key=content_key(data.name, data.digest), path=data.path, features=version.features or [])
    if join is not None:
        settled = settled.model_copy(update=_joined(version, join, data, storage, run))
    if settled.features:
        return settled
    rows = run.workspace / settled.path
    if not rows.is_file():
        fetch_rows(storage, data.name, data.digest, rows.parent)
    return settled.model_copy(update={"features": default_features(rows, version)})


def _joined(version: ModelVersionInputs, join: FeatureJoin, data: PreparedData, storage: Storage, run: Run) -> Mapping[str, str]:
    """The rows with their features, as of each row's moment, in the storage."""
    made = join_features(join, f"model.{version.model}", data, storage, run)
    return {"content_digest": made.content_digest, "key": joined_key(made.name, made.content_digest), "path": made.path}
