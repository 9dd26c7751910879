"""Feast's local engine of materialisation without its detour through pandas, which rounds large integers among which one is missing."""

from typing import Literal

from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine, LocalComputeEngineConfig
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry

from mlx_features.online_rows import online_rows

NAME = "mlx_features.materialization_engine.LatestComputeEngine"


class LatestComputeEngineConfig(LocalComputeEngineConfig):
    """The same settings."""

    type: Literal["mlx_features.materialization_engine.LatestComputeEngine"] = NAME  # type: ignore[assignment]


class LatestComputeEngine(LocalComputeEngine):
    """Writes what the offline store gives: that is already the last row of each key."""

    def _materialize_one(self, registry: BaseRegistry, task: MaterializationTask, **kwargs: object) -> LocalMaterializationJob:
        job = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        try:
            self._write(task)
        except Exception as error:
            return LocalMaterializationJob(job_id=job, status=MaterializationJobStatus.ERROR, error=error)
        return LocalMaterializationJob(job_id=job, status=MaterializationJobStatus.SUCCEEDED)

    def _write(self, task: MaterializationTask) -> None:
        view = task.feature_view
        source = view.batch_source
        assert source is not None
        rows = self.offline_store.pull_latest_from_table_or_query(
            config=self.repo_config,
            data_source=source,
            join_key_columns=[field.name for field in view.entity_columns],
            feature_name_columns=[field.name for field in view.features],
            timestamp_field=source.timestamp_field,
            created_timestamp_column=source.created_timestamp_column or None,
            start_date=task.start_time,
            end_date=task.end_time,
        ).to_arrow()
        if rows.num_rows:
            self.online_store.online_write_batch(self.repo_config, view, online_rows(rows, view), lambda _: None)
