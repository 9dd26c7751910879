"""Azure Blob Storage, through adlfs. The variables are those of the Azure CLI; without a key the pod's own identity is used."""

import os
from collections.abc import Mapping
from typing import Any

from mlx_runtime.cluster.stores.of_fsspec import FsspecStore

CONNECT, SILENCE = 5, 30
"""Seconds to connect, and of silence after which a request is made again by the client."""


def open_store(bucket: str, query: Mapping[str, str]) -> FsspecStore:
    """``storage_account`` stands in the URL's query, or in AZURE_STORAGE_ACCOUNT."""
    import adlfs
    from azure.core.exceptions import AzureError

    account = query.get("storage_account") or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    given = {"connection_timeout": CONNECT, "read_timeout": SILENCE, "use_listings_cache": False, "skip_instance_cache": True}
    files = adlfs.AzureBlobFileSystem(**_credentials(account), **given)
    return FsspecStore(files, bucket, (OSError, AzureError, ValueError), _is_without_bucket)


def _credentials(account: str) -> dict[str, Any]:
    """What adlfs takes: a connection string where there is a key or a token, else the account for Azure's default credentials."""
    key, token = os.environ.get("AZURE_STORAGE_KEY", ""), os.environ.get("AZURE_STORAGE_SAS_TOKEN", "")
    endpoint = _endpoint(account)
    if key:
        return {"connection_string": f"AccountName={account};AccountKey={key};BlobEndpoint={endpoint}"}
    if token:
        return {"connection_string": f"BlobEndpoint={endpoint};SharedAccessSignature={token.lstrip('?')}"}
    return {"account_name": account, "account_host": endpoint.partition("://")[2]}


def _endpoint(account: str) -> str:
    """Where the account answers: an emulator has the account in its path."""
    protocol, domain = os.environ.get("AZURE_STORAGE_PROTOCOL", "https"), os.environ.get("AZURE_STORAGE_DOMAIN", "blob.core.windows.net")
    emulated = domain.startswith(("127.0.0.1", "localhost"))
    return f"{protocol}://{domain}/{account}" if emulated else f"{protocol}://{account}.{domain}"


def _is_without_bucket(error: BaseException) -> bool:
    return str(getattr(error, "error_code", "")).endswith("ContainerNotFound")
