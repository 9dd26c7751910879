# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Amazon S3 and what speaks its protocol, through s3fs.

s3fs finds credentials and runs the client. Requests are made through its client: s3fs neither takes an expected ETag for a
write nor returns the new one, and it waits in silence.
"""

import asyncio
import os
from typing import Any

import aiohttp
import s3fs
from botocore import exceptions as boto

from mlx_engine.state.blobs import ABSENT, Blob, Conflict
from mlx_engine.state.buckets.place import Place
from mlx_engine.state.buckets.remote import Answer, run_on

CONNECT, READ = 5, 15
"""Seconds of silence after which a request is given up, to be made again."""
PASSING = {"ConditionalRequestConflict", "IncompleteBody", "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "BadDigest"}
REFUSED_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "XAdminUserNotFound"}


def open_store(place: Place) -> "S3Store":
    return S3Store(place)


class S3Store:
    """Fulfils ``Store``."""

    def __init__(self, place: Place) -> None:
        self._bucket = place.bucket
        self._sealing = {name: place.query[key] for name, key in (("ServerSideEncryption", "ssetype"), ("SSEKMSKeyId", "kmskeyid")) if key in place.query}
        self._files: Any = s3fs.S3FileSystem(
            anon=place.says("anonymous"),
            profile=place.query.get("profile"),
            endpoint_url=place.query.get("endpoint"),
            client_kwargs={"region_name": region} if (region := place.query.get("region") or os.environ.get("AWS_REGION")) else {},
            config_kwargs={"connect_timeout": CONNECT, "read_timeout": READ, "retries": {"max_attempts": 0}, "s3": {"addressing_style": _style(place)}},
            skip_instance_cache=True,
        )
        self._files.retries = 1

    def read(self, key: str) -> Blob | None:
        try:
            return run_on(self._files.loop, self._read, key)
        except FileNotFoundError as error:
            if _code(error) == "NoSuchBucket":
                raise
            return None

    def write(self, key: str, data: bytes, expected: str | None) -> str:
        condition = {} if expected is None else {"IfNoneMatch": "*"} if expected == ABSENT else {"IfMatch": expected}
        try:
            return self._call("put_object", Key=key, Body=data, **self._sealing, **condition)["ETag"]
        except OSError as error:
            if _status(error) == 412 or _code(error) == "NoSuchKey":  # what was expected is gone
                raise Conflict(key) from error
            raise

    def remove(self, key: str, expected: str | None) -> None:
        try:
            self._call("delete_object", Key=key, **({} if expected is None else {"IfMatch": expected}))
        except OSError as error:
            if _status(error) == 412:
                raise Conflict(key) from error
            if _code(error) != "NoSuchKey":
                raise

    def keys(self, folder: str) -> list[str]:
        found: list[str] = []
        page: dict[str, Any] = {"NextContinuationToken": None}
        while "NextContinuationToken" in page:
            token = {"ContinuationToken": page["NextContinuationToken"]} if page["NextContinuationToken"] else {}
            page = self._call("list_objects_v2", Prefix=folder, Delimiter="/", **token)
            found += [entry["Key"] for entry in page.get("Contents", ())]
        return found

    def answer(self, error: Exception) -> Answer | None:
        said = error.__cause__ if isinstance(error.__cause__, boto.ClientError) else error
        match said:
            case boto.ClientError():
                return _answer(said)
            case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.ProfileNotFound():
                return Answer(401, "", str(said))
            case boto.ConnectionError() | boto.HTTPClientError() | aiohttp.ClientError() | asyncio.TimeoutError() | ConnectionError():
                return Answer(None, "", str(said) or type(said).__name__)
            case boto.BotoCoreError():
                return Answer(400, "", str(said))
            case _:
                return None

    async def _read(self, key: str) -> Blob:
        got = await self._files._call_s3("get_object", Bucket=self._bucket, Key=key)
        async with got["Body"] as body:
            return Blob(await body.read(), got["ETag"])

    def _call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        return self._files.call_s3(verb, Bucket=self._bucket, **arguments)


def _style(place: Place) -> str:
    asked = "s3ForcePathStyle" in place.query or "use_path_style" in place.query
    return "auto" if not asked else "path" if place.says("s3ForcePathStyle", "use_path_style") else "virtual"


def _answer(error: boto.ClientError) -> Answer:
    code, text, status = _code(error), error.response.get("Error", {}).get("Message", str(error)), _status(error)
    if code in PASSING:
        return Answer(503, code, text)
    if code in REFUSED_KEYS:
        return Answer(401, code, text)
    return Answer(400 if status == 404 and code != "NoSuchBucket" else status, code, text)


def _code(error: BaseException) -> str:
    return _response(error).get("Error", {}).get("Code", "")


def _status(error: BaseException) -> int:
    return _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 400)


def _response(error: BaseException) -> dict[str, Any]:
    said = error if isinstance(error, boto.ClientError) else error.__cause__
    return dict(said.response) if isinstance(said, boto.ClientError) else {}
