# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Google Cloud Storage, by its JSON API and google-auth.

Not through gcsfs: what it imports and pulumi both define ``google.rpc.Status``, so one process can import only one of them.
Where a key is not there, the bucket is looked for once: the answer does not say which of them is missing.
"""

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import google.auth
import requests
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials as UserCredentials

from mlx_engine.state.blobs import Blob, Conflict
from mlx_engine.state.buckets.place import Place
from mlx_engine.state.buckets.remote import Answer, first_line

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
API = "https://storage.googleapis.com"
TIMEOUT = (5, 15)
"""Seconds to connect, and of silence after which a request is given up, to be made again."""


class Refusal(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def open_store(place: Place) -> "GoogleStore":
    return GoogleStore(place)


class GoogleStore:
    """Fulfils ``Store``. The version of a key is its generation."""

    def __init__(self, place: Place) -> None:
        self._bucket = place.bucket
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
        self._address = (emulator if "://" in emulator else f"http://{emulator}") if emulator else API
        self._anonymous = place.says("anonymous") or bool(emulator)
        self._session: Any = None
        self._seen = False

    def read(self, key: str) -> Blob | None:
        try:
            got = self._ask("GET", self._at(key), {"alt": "media"})
        except Refusal as refused:
            if refused.status != 404:
                raise
            self._look_for_bucket()
            return None
        return Blob(got.content, got.headers["X-Goog-Generation"])

    def write(self, key: str, data: bytes, expected: str | None) -> str:
        condition = {} if expected is None else {"ifGenerationMatch": expected or "0"}
        where = f"/upload/storage/v1/b/{quote(self._bucket)}/o"
        return self._ask("POST", where, {"uploadType": "media", "name": key, **condition}, data).json()["generation"]

    def remove(self, key: str, expected: str | None) -> None:
        try:
            self._ask("DELETE", self._at(key), {} if expected is None else {"ifGenerationMatch": expected})
        except Refusal as refused:
            if refused.status != 404:
                raise

    def keys(self, folder: str) -> list[str]:
        found: list[str] = []
        page: dict[str, Any] = {"nextPageToken": ""}
        while "nextPageToken" in page:
            token = {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
            page = self._ask("GET", f"/storage/v1/b/{quote(self._bucket)}/o", {"prefix": folder, "delimiter": "/", **token}).json()
            found += [entry["name"] for entry in page.get("items", ())]
        self._seen = True
        return found

    def answer(self, error: Exception) -> Answer | None:
        match error:
            case Refusal():
                return Answer(error.status, "", str(error))
            case TransportError() | requests.RequestException():
                return Answer(None, "", first_line(error))
            case GoogleAuthError():
                return Answer(401, "", first_line(error))
            case _:
                return None

    def _at(self, key: str) -> str:
        return f"/storage/v1/b/{quote(self._bucket)}/o/{quote(key, safe='')}"

    def _ask(self, verb: str, path: str, query: Mapping[str, str], data: bytes | None = None) -> requests.Response:
        session: Any = self._session or AuthorizedSession(_credentials(anonymous=self._anonymous))
        self._session = session
        got: requests.Response = session.request(
            verb, self._address + path, params=dict(query), data=data, headers={"Content-Type": "application/json"}, timeout=TIMEOUT
        )
        if got.status_code == 412:
            raise Conflict(path)
        if not got.ok:
            raise Refusal(got.status_code, _said(got))
        return got

    def _look_for_bucket(self) -> None:
        if not self._seen:
            self.keys(".pulumi/")


def _credentials(*, anonymous: bool) -> Credentials:
    """Found in the order in which Pulumi looks."""
    if anonymous:
        return AnonymousCredentials()
    if os.environ.get("GOOGLE_CREDENTIALS"):
        return google.auth.load_credentials_from_dict(json.loads(os.environ["GOOGLE_CREDENTIALS"]), scopes=[SCOPE])[0]
    if os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN"):
        return UserCredentials(os.environ["GOOGLE_OAUTH_ACCESS_TOKEN"])
    return google.auth.default(scopes=[SCOPE])[0]


def _said(got: requests.Response) -> str:
    """The sentence in an answer that refuses."""
    try:
        return got.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return (got.text.splitlines() or [got.reason])[0]
