"""Feast's DuckDB store, whose point-in-time join is DuckDB's own: one ASOF join for each view.

Feast's joins each row with all past rows of its key before it takes the latest: a view without a ttl then needs memory and time
by the square. The values are the same; among rows of one key and time that nothing tells apart the last in the file wins.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import ibis
import pandas as pd
import pyarrow
from feast import FeatureView, FileSource, OnDemandFeatureView
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig, _write_data_source
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import RepoConfig

ROW = "__mlx_row"


class AsofDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """The same settings."""

    type: str = "mlx_features.offline_store.AsofDuckDBOfflineStore"


class AsofDuckDBOfflineStore(DuckDBOfflineStore):
    """Parquet files by ASOF join; whatever else Feast can be asked for is Feast's."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """Each entity row, in its place, with the latest values of its keys that were known at its time and not older than the ttl."""
        if isinstance(entity_df, str) or filter_by_created_timestamp or not all(_is_parquet(view.batch_source) for view in feature_views):
            return DuckDBOfflineStore.get_historical_features(
                config, feature_views, feature_refs, entity_df, registry, project, full_feature_names, filter_by_created_timestamp
            )
        computed = [one for one in OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry) if one.mode != "substrait"]
        return AsofRetrievalJob(config, feature_views, feature_refs, entity_df, computed, full_feature_names)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The last row of each key between two moments, by the same order as in the join."""
        if not _is_parquet(data_source):
            return DuckDBOfflineStore.pull_latest_from_table_or_query(
                config, data_source, join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column, start_date, end_date
            )
        created = [created_timestamp_column] if created_timestamp_column else []
        columns = ", ".join(map(_quoted, dict.fromkeys([*join_key_columns, *feature_name_columns, timestamp_field, *created])))
        has_key = " and ".join(f"{_quoted(name)} is not null" for name in join_key_columns)
        query = (
            f"select {columns} from {_rows(config, data_source)} where {_moment(timestamp_field)} between ? and ? and {has_key} "
            f"qualify row_number() over (partition by {', '.join(map(_quoted, join_key_columns))} "
            f"order by {_latest(timestamp_field, created_timestamp_column)}) = 1"
        )
        with _connect() as connection:
            found = connection.sql(query, params=[_utc(start_date), _utc(end_date)]).to_arrow_table()
        # In one piece: Feast's own engine writes no more than the first piece of a table to an online store.
        return LatestRetrievalJob(_dates_as_moments(found).combine_chunks(), config)


class LatestRetrievalJob(IbisRetrievalJob):
    """Rows that are there."""

    def __init__(self, rows: pyarrow.Table, config: RepoConfig) -> None:
        super().__init__(ibis.memtable(rows), [], False, None, _write_data_source, None, None, str(config.repo_path))
        self._found = rows

    def _to_arrow_internal(self, timeout: int | None = None) -> pyarrow.Table:
        return self._found

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._found.to_pandas()


class AsofRetrievalJob(IbisRetrievalJob):
    """A join that runs when its rows are asked for."""

    def __init__(
        self,
        config: RepoConfig,
        views: Sequence[FeatureView],
        references: Sequence[str],
        entity_rows: pd.DataFrame,
        computed: list[OnDemandFeatureView],
        full_names: bool,
    ) -> None:
        self._event_time = infer_event_timestamp_from_entity_df(dict(zip(entity_rows.columns, entity_rows.dtypes, strict=True)))
        self._rows = entity_rows.assign(**{self._event_time: pd.to_datetime(entity_rows[self._event_time], utc=True).dt.as_unit("us")})
        times = self._rows[self._event_time]
        keys = [name for name in entity_rows.columns if name != self._event_time]
        metadata = RetrievalMetadata(list(references), keys, times.min().to_pydatetime(), times.max().to_pydatetime())
        super().__init__(None, computed, full_names, metadata, _write_data_source, None, None, str(config.repo_path))
        self._query = join_query(config, views, references, list(entity_rows.columns), self._event_time, full_names)

    def _to_arrow_internal(self, timeout: int | None = None) -> pyarrow.Table:
        rows = pyarrow.Table.from_pandas(self._rows, preserve_index=False).append_column(ROW, pyarrow.array(range(len(self._rows)), pyarrow.int64()))
        with _connect() as connection:
            connection.register("entity_rows", rows)
            return connection.sql(self._query).to_arrow_table()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Feast writes an ibis table."""
        self.table = ibis.memtable(self._to_arrow_internal(timeout))
        super().persist(storage, allow_overwrite, timeout)


def join_query(config: RepoConfig, views: Sequence[FeatureView], references: Sequence[str], columns: Sequence[str], event_time: str, full_names: bool) -> str:
    """One statement: the entity rows, an ASOF join for each view, the order of the rows."""
    taken = [f"e.{_quoted(name)}" for name in columns]
    joins: list[str] = []
    for number, view in enumerate(views):
        source, features = f"v{number}", _features_of(view, references)
        taken += [_value(view, name, source, event_time, full_names) for name in features]
        joins.append(_asof(config, view, features, source, event_time))
    return f"select {', '.join(taken)} from entity_rows e {' '.join(joins)} order by e.{ROW}"


def _asof(config: RepoConfig, view: FeatureView, features: Sequence[str], source: str, event_time: str) -> str:
    rows = view.batch_source
    assert rows is not None
    keys: Mapping[str, str] = view.projection.join_key_map or {one.name: one.name for one in view.entity_columns}
    names = ", ".join(map(_quoted, dict.fromkeys([*keys, *features])))
    moment = _moment(rows.timestamp_field)
    latest = (
        f"select {names}, {moment} as __mlx_time from {_rows(config, rows)} where {moment} is not null "
        f"qualify row_number() over (partition by {', '.join(map(_quoted, keys))}, {moment} "
        f"order by {_latest(rows.timestamp_field, rows.created_timestamp_column)}) = 1"
    )
    equal = " and ".join(f"e.{_quoted(row)} = {source}.{_quoted(key)}" for key, row in keys.items())
    return f"asof left join ({latest}) {source} on {equal} and e.{_quoted(event_time)} >= {source}.__mlx_time"


def _value(view: FeatureView, name: str, source: str, event_time: str, full_names: bool) -> str:
    """A feature; null where its row is older than the ttl."""
    shown = f"{view.projection.name_alias or view.name}__{name}" if full_names else name
    value = f"{source}.{_quoted(name)}"
    if view.ttl:
        value = f"case when {source}.__mlx_time + to_microseconds({view.ttl.total_seconds() * 1e6:.0f}) >= e.{_quoted(event_time)} then {value} end"
    return f"{value} as {_quoted(shown)}"


def _features_of(view: FeatureView, references: Sequence[str]) -> list[str]:
    prefix = f"{view.projection.name_to_use()}:"
    return [reference.removeprefix(prefix) for reference in references if reference.startswith(prefix)]


def _is_parquet(source: DataSource | None) -> bool:
    """A Parquet file on this machine, with its own column names."""
    return isinstance(source, FileSource) and not source.field_mapping and "://" not in source.path and source.path.endswith(".parquet")


def _rows(config: RepoConfig, source: DataSource) -> str:
    path = FileSource.get_uri_for_file_path(config.repo_path, source.path)  # type: ignore[attr-defined]
    return f"read_parquet('{str(path).replace(chr(39), chr(39) * 2)}', file_row_number = true)"


def _latest(event_time: str, created_time: str | None) -> str:
    created = f"{_moment(created_time)} desc nulls last, " if created_time else ""
    return f"{_moment(event_time)} desc, {created}file_row_number desc"


def _moment(column: str) -> str:
    """Times without a zone are UTC: the connection's."""
    return f"cast({_quoted(column)} as timestamptz)"


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _dates_as_moments(table: pyarrow.Table) -> pyarrow.Table:
    """Feast has no dates."""
    fields = [pyarrow.field(one.name, pyarrow.timestamp("us", "UTC")) if pyarrow.types.is_date(one.type) else one for one in table.schema]
    return table.cast(pyarrow.schema(fields))


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("set timezone = 'UTC'")
    return connection


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
