"""Amazon S3 and what speaks its protocol, through s3fs: credentials, region and endpoint are found as boto finds them."""

import os
from collections.abc import Mapping

from mlx_runtime.cluster.stores.of_fsspec import FsspecStore

CONNECT, SILENCE = 5, 30
"""Seconds to connect, and of silence after which a request is made again."""
TRIES = 6
"""How often a request is made, unless boto's own AWS_MAX_ATTEMPTS says it: with its pauses, for about a quarter of a minute."""


def open_store(bucket: str, query: Mapping[str, str]) -> FsspecStore:
    """Takes no query: its settings are in the environment."""
    import aiohttp
    import s3fs
    from botocore import exceptions as boto

    tries = int(os.environ.get("AWS_MAX_ATTEMPTS", TRIES))
    settings = {"connect_timeout": CONNECT, "read_timeout": SILENCE, "retries": {"total_max_attempts": tries, "mode": "standard"}}
    files = s3fs.S3FileSystem(config_kwargs=settings, use_listings_cache=False, skip_instance_cache=True)
    files.retries = 1  # s3fs would make boto's tries all over again, five times
    return FsspecStore(files, bucket, (OSError, boto.BotoCoreError, boto.ClientError, aiohttp.ClientError), _is_without_bucket)


def _is_without_bucket(error: BaseException) -> bool:
    from botocore.exceptions import ClientError

    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchBucket"
