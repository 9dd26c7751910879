"""The features of an endpoint on a cluster: what its ConfigMap says, and an online store that all replicas share.

Enters: the mounted file, and the variable that a Secret fills. Leaves: an open source, as on a laptop.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from mlx_features.errors import FeatureError
from mlx_features.online import OnlineReader, views_of
from mlx_features.online_filled import Awaited, FilledStore
from mlx_features.online_settings import SECRET, VARIABLE, online_settings
from mlx_runtime.cluster.code import lay_code
from mlx_runtime.features import FeatureSource, source_of
from mlx_runtime.server.listen import StartError
from mlx_specs.resources import FeatureLookup, Wire


class RemoteLookup(Wire):
    """/mlx/features.json"""

    lookup: FeatureLookup
    online_store: Literal["redis", "postgres"]
    awaited: bool = False
    """Whether a Job fills it: before its views have been filled once, the server is not ready."""
    code: str = ""
    """The modules of feature_repo/ that on-demand views need: a zip file in base64."""


def open_remote(file: Path, environment: Mapping[str, str], workspace: Path) -> FeatureSource:
    """Lays the functions into the workspace; ``StartError`` or ``CodeError``. A store that does not answer yet is no error."""
    try:
        told = RemoteLookup.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise StartError(f"{file} does not say how requests are completed: it comes with the ServingRuntime's ConfigMap") from error
    lay_code(told.code, workspace)
    try:
        settings = online_settings(environment)
        if settings is None:
            raise FeatureError(f"environment variable {VARIABLE} is not set", hint=SECRET)
        store = STORES[told.online_store](settings)
        reader = OnlineReader(told.lookup, Awaited(store, told.lookup.project, views_of(told.lookup)) if told.awaited else store)
    except FeatureError as error:
        raise StartError(f"{error}: {error.hint}") from error
    return source_of(told.lookup, reader, workspace)


def _redis(settings: Mapping[str, Any]) -> FilledStore:
    from mlx_features.online_redis import RedisStore

    return RedisStore(settings)


def _postgres(settings: Mapping[str, Any]) -> FilledStore:
    from mlx_features.online_postgres import PostgresStore

    return PostgresStore(settings)


STORES: Mapping[str, Callable[[Mapping[str, Any]], FilledStore]] = {"postgres": _postgres, "redis": _redis}
"""Each with a client that only its endpoints need."""
