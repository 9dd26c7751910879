"""Feast's hashes in Redis: one for each entity, with the features and the event time of every view that has its keys.

Source: docs/specs/online_store_format.md of Feast, "Redis Online Store Format"; helpers.py of its online stores.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mmh3
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from mlx_features.errors import FeatureError
from mlx_features.online import Asked, Stored, View
from mlx_features.values import decoded, seconds

CONNECT, ANSWER = 2.0, 2.0
"""Seconds within which it is connected, and answers; who asks has a request to answer."""
AWAY = "the online store (Redis) does not answer"
WAITS = "requests are answered again once it does; the Secret of onlineStore.connection says where it is"


class RedisStore:
    """A server; its client keeps connections for all threads."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._client: Any = _client(settings)

    def held(self, asked: Sequence[Asked]) -> Iterator[Stored]:
        """All views in one round trip."""
        keys = [one.keys for one in asked]
        with self._client.pipeline(transaction=False) as pipe:
            for one, wanted in zip(asked, keys, strict=True):
                fields = [event_time(one.view.feast_name), *(feature(one.view.feast_name, name) for name in one.names)]
                for key in wanted:
                    pipe.hmget(key + one.view.project.encode(), fields)
            try:
                answers = iter(pipe.execute())
            except RedisError as error:
                raise FeatureError(f"{AWAY}: {error}", hint=WAITS) from error
        for one, wanted in zip(asked, keys, strict=True):
            found = zip(wanted, answers, strict=False)  # the answers of the next view follow
            yield {key: (seconds(stamp), _values(one, messages)) for key, (stamp, *messages) in found if stamp is not None}

    def filled(self, project: str, views: Sequence[View]) -> dict[str, str]:
        """What stands in the project's record."""
        try:
            texts = self._client.hmget(record(project), [view.feast_name for view in views])
        except RedisError as error:
            raise FeatureError(f"{AWAY}: {error}", hint=WAITS) from error
        return {view.name: text.decode() for view, text in zip(views, texts, strict=True) if text is not None}

    def unavailable(self) -> str:
        """Asks it."""
        try:
            self._client.ping()
        except RedisError as error:
            return f"{AWAY}: {error}"
        return ""


def record(project: str) -> str:
    """The key of what says which views have been materialised; no entity's begins like it."""
    return f"mlx:materialised:{project}"


def event_time(view: str) -> bytes:
    """The field with the event time of a view's values."""
    return f"_ts:{view}".encode()


def feature(view: str, name: str) -> bytes:
    """The field with the value of a feature."""
    return mmh3.hash(f"{view}:{name}", signed=False).to_bytes(4, "little")


def _values(asked: Asked, messages: Sequence[bytes | None]) -> dict[str, Any]:
    view: View = asked.view
    return {name: decoded(view.decode(name), message) for name, message in zip(asked.names, messages, strict=True)}


def _client(settings: Mapping[str, Any]) -> "Redis":
    """As Feast reads them: ``HOST:PORT,db=0,ssl=true,password=…``."""
    parts = str(settings.get("connection_string", "localhost:6379")).split(",")
    host, _, port = parts[0].partition(":")
    options = {name: _json(value) for name, _, value in (part.partition("=") for part in parts[1:])}
    # A connection that was kept may have ended with the server behind it: it is opened again once.
    retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
    return Redis(**{"socket_connect_timeout": CONNECT, "socket_timeout": ANSWER, "retry": retry, **options, "host": host, "port": int(port or 6379)})


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
