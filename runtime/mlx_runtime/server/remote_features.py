"""The features of an endpoint or a stream on a cluster: what its ConfigMap says, and an online store that all replicas share.

Enters: the mounted file, and the variable that a Secret fills. Leaves: an open source, as on a laptop.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlx_features.errors import FeatureError
from mlx_features.online import OnlineReader, views_of
from mlx_features.online_filled import Awaited, FilledStore
from mlx_features.online_settings import SECRET, VARIABLE, online_settings
from mlx_runtime.cluster.code import lay_code
from mlx_runtime.features import FeatureSource, source_of
from mlx_runtime.server.listen import StartError
from mlx_specs.remote_lookup import RemoteLookup


def open_remote(file: Path, environment: Mapping[str, str], workspace: Path) -> FeatureSource:
    """As a mounted file says; ``StartError`` or ``CodeError``. A store that does not answer yet is no error."""
    try:
        told = RemoteLookup.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise StartError(f"{file} does not say how requests are completed: it comes with the ServingRuntime's ConfigMap") from error
    try:
        return open_told(told, environment, workspace)
    except FeatureError as error:
        raise StartError(f"{error}: {error.hint}") from error


def open_told(told: RemoteLookup, environment: Mapping[str, str], workspace: Path) -> FeatureSource:
    """Lays the functions into the workspace; ``FeatureError`` or ``CodeError``."""
    lay_code(told.code, workspace)
    settings = online_settings(environment)
    if settings is None:
        raise FeatureError(f"environment variable {VARIABLE} is not set", hint=SECRET)
    store = STORES[told.online_store](settings)
    reader = OnlineReader(told.lookup, Awaited(store, told.lookup.project, views_of(told.lookup)) if told.awaited else store)
    return source_of(told.lookup, reader, workspace)


def _redis(settings: Mapping[str, Any]) -> FilledStore:
    from mlx_features.online_redis import RedisStore

    return RedisStore(settings)


def _postgres(settings: Mapping[str, Any]) -> FilledStore:
    from mlx_features.online_postgres import PostgresStore

    return PostgresStore(settings)


STORES: Mapping[str, Callable[[Mapping[str, Any]], FilledStore]] = {"postgres": _postgres, "redis": _redis}
"""Each with a client that only its endpoints need."""
