"""Feast's Redis store by the laptop's rules: the newest value of an entity wins, and a full materialisation leaves nothing else.

Feast's keeps the old of two values of one moment, and a row that is gone from the source. The layout is Feast's own, so that
its servers read it. Who writes a view writes alone. Imports Feast.
"""

import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, TypeVar

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key, serialize_entity_key_prefix
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.repo_config import RepoConfig
from google.protobuf.timestamp_pb2 import Timestamp
from redis import RedisError
from redis.exceptions import LockNotOwnedError

from mlx_features.entity_keys import rest
from mlx_features.errors import FeatureError
from mlx_features.online_filled import filled_with
from mlx_features.online_redis import event_time, feature, record
from mlx_features.online_rows import Row, Stamp, newest
from mlx_features.online_state import Held
from mlx_features.values import seconds

CHUNK = 5_000
"""Keys of one round trip."""
LEASE = 30.0
"""Seconds after which a writer that was killed no longer keeps the others out."""
T = TypeVar("T")
NAME = "mlx_features.redis_store.NewestRedisOnlineStore"


class NewestRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """The same settings."""

    type: Literal["mlx_features.redis_store.NewestRedisOnlineStore"] = NAME  # type: ignore[assignment]


class NewestRedisOnlineStore(RedisOnlineStore):
    """What is stored of an entity and a view is written by one command: it is always of one moment."""

    _written: set[bytes] | None = None
    """The keys that are written while a view is replaced."""

    @contextmanager
    def replacing(self, config: RepoConfig, view: FeatureView) -> Iterator[None]:
        """What is written inside takes the place of what the view holds, key by key; then the other keys go."""
        with self._turn(config, view.name):
            self._written = set()
            try:
                yield
                self._sweep(config, view, self._written)
            finally:
                self._written = None

    def complete(self, config: RepoConfig, view: FeatureView) -> None:
        """Say that the view holds these features now: endpoints wait for that (online_redis)."""
        self._redis(config).hset(record(config.project), view.name, filled_with(one.name for one in view.features))

    def held(self, config: RepoConfig, view: FeatureView) -> Held:
        """What the store holds of a view."""
        count, latest = 0, None
        for keys in chunks(self._keys(config, view.join_keys)):
            found = [seconds(stamp) for stamp in self._stamps(config, keys, view.name) if stamp is not None]
            count, latest = count + len(found), max([*found, *([] if latest is None else [latest])], default=None)
        return Held(count, None if latest is None else datetime.fromtimestamp(latest, UTC))

    def forget(self, config: RepoConfig, view: str, join_keys: Collection[str], features: Collection[str], *, whole: bool) -> None:
        """Remove features of a view, or all that is stored of it."""
        self._redis(config).hdel(record(config.project), view)
        for keys in chunks(self._keys(config, join_keys)):
            self._remove(config, keys, view, features, whole=whole)

    def delete_table(self, config: RepoConfig, table: FeatureView) -> None:
        """Feast's takes the rows of a project whose name only ends like this one, too."""
        self.forget(config, table.name, table.join_keys, [one.name for one in table.features], whole=True)

    def online_write_batch(self, config: RepoConfig, table: FeatureView, data: list[Row], progress: Callable[[int], Any] | None) -> None:
        """Write the rows that are not older than what is stored; while the view is replaced, all."""
        for rows in chunks(data):
            if self._written is not None:
                self._write(config, table, rows)
            else:
                with self._turn(config, table.name):
                    self._write(config, table, rows)
            if progress:
                progress(len(rows))

    @contextmanager
    def _turn(self, config: RepoConfig, view: str) -> Iterator[None]:
        """One writer of a view at a time, wherever it runs: else the sweep of one takes away what another has just written."""
        lock = self._redis(config).lock(f"mlx:writing:{config.project}_{view}", timeout=LEASE, thread_local=False)
        done = threading.Event()

        def renew() -> None:
            with suppress(RedisError):  # who writes meets it, too
                while not done.wait(LEASE / 3):
                    lock.reacquire()

        try:
            with lock:
                renewing = threading.Thread(target=renew, daemon=True)
                renewing.start()
                try:
                    yield
                finally:
                    done.set()
                    renewing.join()
        except LockNotOwnedError as error:
            message = f"view '{view}' may have been written by another materialisation meanwhile: the online store (Redis) lost this one's turn"
            raise FeatureError(message, hint="materialise again") from error

    def _sweep(self, config: RepoConfig, view: FeatureView, written: Collection[bytes]) -> None:
        """Remove what the view holds of other keys."""
        for keys in chunks(self._keys(config, view.join_keys)):
            self._remove(config, [key for key in keys if key not in written], view.name, [one.name for one in view.features])

    def _write(self, config: RepoConfig, view: FeatureView, rows: Sequence[Row]) -> None:
        project, lasts = config.project.encode(), _settings(config).key_ttl_seconds
        keys = [serialize_entity_key(key, entity_key_serialization_version=3) + project for key, *_ in rows]
        stored = zip(keys, self._stamps(config, keys, view.name) if self._written is None else [], strict=False)
        known: dict[bytes, Stamp] = {key: (seconds(stamp), None) for key, stamp in stored if stamp is not None}
        with self._redis(config).pipeline(transaction=False) as pipe:
            for key, values, (moment, _) in newest(keys, rows, known):
                messages = {feature(view.name, name): value.SerializeToString() for name, value in values.items()}
                pipe.hset(key, mapping={event_time(view.name): Timestamp(seconds=moment).SerializeToString(), **messages})
                if lasts:
                    pipe.expire(key, lasts)
            pipe.execute()
        if self._written is not None:
            self._written.update(keys)

    def _stamps(self, config: RepoConfig, keys: Sequence[bytes], view: str) -> list[bytes | None]:
        with self._redis(config).pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hget(key, event_time(view))
            return pipe.execute()

    def _remove(self, config: RepoConfig, keys: Sequence[bytes], view: str, features: Collection[str], *, whole: bool = True) -> None:
        """A hash goes with its last field."""
        fields = [feature(view, name) for name in sorted(features)] + ([event_time(view)] if whole else [])
        with self._redis(config).pipeline(transaction=False) as pipe:
            for key in keys if fields else ():
                pipe.hdel(key, *fields)
            pipe.execute()

    def _redis(self, config: RepoConfig) -> Any:
        """Its own types know texts only."""
        return self._get_client(_settings(config))

    def _keys(self, config: RepoConfig, join_keys: Collection[str]) -> Iterator[bytes]:
        """Of this project's entities with these join keys, whatever views they have."""
        prefix, project = serialize_entity_key_prefix(list(join_keys)), config.project.encode()
        pattern = re.sub(rb"([*?\[\]\\^-])", rb"\\\1", prefix) + b"*" + project
        for key in self._redis(config).scan_iter(match=pattern, count=CHUNK):
            if key.startswith(prefix) and rest(key, len(prefix), len(join_keys)) == project:
                yield key


def _settings(config: RepoConfig) -> RedisOnlineStoreConfig:
    settings = config.online_store
    assert isinstance(settings, RedisOnlineStoreConfig)
    return settings


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """A round trip's share each."""
    left = iter(items)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
