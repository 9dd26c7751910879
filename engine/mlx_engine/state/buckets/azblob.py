# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Azure Blob Storage, through adlfs.

adlfs finds credentials and runs the client. Requests are made through its client: adlfs knows no ETags. The variables are those
of the Azure CLI, which Pulumi reads, too.
"""

import os
from typing import Any

import adlfs
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from mlx_engine.host import EngineError
from mlx_engine.state.blobs import ABSENT, Blob, Conflict
from mlx_engine.state.buckets.place import Place
from mlx_engine.state.buckets.remote import Answer, first_line, run_on

ONCE: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 15}
"""For each request: it is made again by who made it. Seconds of silence after which it is given up."""
REFUSED_KEYS = {"AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"}


def open_store(place: Place) -> "AzureStore":
    return AzureStore(place)


class AzureStore:
    """Fulfils ``Store``."""

    def __init__(self, place: Place) -> None:
        self._container = place.bucket
        self._files: Any = adlfs.AzureBlobFileSystem(**_credentials(place), skip_instance_cache=True)

    def read(self, key: str) -> Blob | None:
        try:
            return run_on(self._files.loop, self._read, key)
        except ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise
            return None

    def write(self, key: str, data: bytes, expected: str | None) -> str:
        try:
            return run_on(self._files.loop, self._write, key, data, _condition(expected))
        except (ResourceModifiedError, ResourceExistsError) as error:
            raise Conflict(key) from error

    def remove(self, key: str, expected: str | None) -> None:
        try:
            run_on(self._files.loop, self._remove, key, _condition(expected))
        except ResourceModifiedError as error:
            raise Conflict(key) from error
        except ResourceNotFoundError:
            return

    def keys(self, folder: str) -> list[str]:
        return run_on(self._files.loop, self._keys, folder)

    def answer(self, error: Exception) -> Answer | None:
        match error:
            case ServiceRequestError() | ServiceResponseError() | IncompleteReadError():
                return Answer(None, "", first_line(error))
            case HttpResponseError() if error.status_code:
                code = _code(error)
                return Answer(401 if code in REFUSED_KEYS else error.status_code, code, first_line(error))
            case ClientAuthenticationError():
                return Answer(401, "", first_line(error))
            case AzureError():
                return Answer(400, "", first_line(error))
            case _:
                return None

    async def _read(self, key: str) -> Blob:
        got = await self._blob(key).download_blob(**ONCE)
        return Blob(await got.readall(), got.properties.etag)

    async def _write(self, key: str, data: bytes, condition: dict[str, Any]) -> str:
        written = await self._blob(key).upload_blob(data, **{"overwrite": True, **condition}, **ONCE)
        return written["etag"]

    async def _remove(self, key: str, condition: dict[str, Any]) -> None:
        await self._blob(key).delete_blob(**condition, **ONCE)

    async def _keys(self, folder: str) -> list[str]:
        container = self._files.service_client.get_container_client(self._container)
        return [blob.name async for blob in container.walk_blobs(name_starts_with=folder, delimiter="/", **ONCE) if not blob.name.endswith("/")]

    def _blob(self, key: str) -> Any:
        return self._files.service_client.get_blob_client(self._container, key)


def _condition(expected: str | None) -> dict[str, Any]:
    if expected is None:
        return {}
    return {"overwrite": False} if expected == ABSENT else {"etag": expected, "match_condition": MatchConditions.IfNotModified}


def _credentials(place: Place) -> dict[str, Any]:
    """What adlfs takes: a connection string where there is a key or a token, else the account for Azure's default credentials."""
    given = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    account = place.query.get("storage_account") or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    key, token = os.environ.get("AZURE_STORAGE_KEY", ""), os.environ.get("AZURE_STORAGE_SAS_TOKEN", "")
    if not account and given:
        return {"connection_string": given}
    if not account:
        raise EngineError(f"{place}: no storage account", hint="set AZURE_STORAGE_ACCOUNT, or add ?storage_account=NAME to state.backend")
    endpoint = _endpoint(place, account)
    if key:
        return {"connection_string": f"AccountName={account};AccountKey={key};BlobEndpoint={endpoint}"}
    if token:
        return {"connection_string": f"BlobEndpoint={endpoint};SharedAccessSignature={token.lstrip('?')}"}
    return {"connection_string": given} if given else {"account_name": account, "account_host": endpoint.removeprefix("https://")}


def _endpoint(place: Place, account: str) -> str:
    """Where the account answers, as Pulumi makes it from the same words: an emulator has the account in its path."""
    protocol = place.query.get("protocol") or os.environ.get("AZURE_STORAGE_PROTOCOL") or "https"
    domain = place.query.get("domain") or os.environ.get("AZURE_STORAGE_DOMAIN") or "blob.core.windows.net"
    emulated = place.says("localemu") or domain.startswith(("127.0.0.1", "localhost"))
    return f"{protocol}://{domain}/{account}" if emulated else f"{protocol}://{account}.{domain}"


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))  # an enumeration knows some of them
