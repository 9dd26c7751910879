"""Google Cloud Storage, by its JSON API and google-auth: as the state is reached, so that one set of packages serves both."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlx_runtime.cluster.stores import NoBucket

API = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
TIMEOUT = (5, 30)
"""Seconds to connect, and of silence after which a request is made again."""
TRIES, AGAIN = 6, (408, 429, 500, 502, 503, 504)
BLOCK = 1 << 20


def open_store(bucket: str, query: Mapping[str, str]) -> "GoogleStore":
    """STORAGE_EMULATOR_HOST is an emulator's address, which takes any credentials."""
    import requests
    from google.auth.exceptions import GoogleAuthError

    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    address = (emulator if "://" in emulator else f"http://{emulator}") if emulator else API
    return GoogleStore(_session(anonymous=bool(emulator)), address, bucket, (OSError, requests.RequestException, GoogleAuthError))


@dataclass(frozen=True)
class GoogleStore:
    """Fulfils ``Store``."""

    session: Any
    address: str
    bucket: str
    failures: tuple[type[Exception], ...]

    def read(self, key: str) -> bytes | None:
        got = self._get(key)
        return None if got is None else got.content

    def write(self, key: str, data: bytes) -> None:
        self._upload(key, data)

    def fetch(self, key: str, path: Path) -> bool:
        got = self._get(key)
        if got is None:
            return False
        with path.open("wb") as file:
            for block in got.iter_content(BLOCK):
                file.write(block)
        return True

    def keys(self, prefix: str) -> list[str]:
        found, asked = list[str](), {"prefix": prefix, "fields": "nextPageToken,items(name)"}
        while True:
            got = self.session.get(self._objects, params=asked, timeout=TIMEOUT)
            if got.status_code == 404:
                raise NoBucket
            got.raise_for_status()
            page = got.json()
            found += [item["name"] for item in page.get("items", [])]
            if "nextPageToken" not in page:
                return sorted(found)
            asked = {**asked, "pageToken": page["nextPageToken"]}

    def send(self, path: Path, key: str) -> None:
        with path.open("rb") as file:
            self._upload(key, file)

    def _get(self, key: str) -> Any:
        got = self.session.get(
            f"{self.address}/storage/v1/b/{quote(self.bucket)}/o/{quote(key, safe='')}", params={"alt": "media"}, timeout=TIMEOUT, stream=True
        )
        if got.status_code == 404:
            self._look_for_bucket()
            return None
        got.raise_for_status()
        return got

    def _upload(self, key: str, body: Any) -> None:
        where = f"{self.address}/upload/storage/v1/b/{quote(self.bucket)}/o"
        sent = self.session.post(
            where, params={"uploadType": "media", "name": key}, data=body, headers={"Content-Type": "application/octet-stream"}, timeout=TIMEOUT
        )
        if sent.status_code == 404:
            raise NoBucket
        sent.raise_for_status()

    def _look_for_bucket(self) -> None:
        """The answer to a missing object does not say which of them is missing."""
        if self.session.get(self._objects, params={"maxResults": 1}, timeout=TIMEOUT).status_code == 404:
            raise NoBucket

    @property
    def _objects(self) -> str:
        return f"{self.address}/storage/v1/b/{quote(self.bucket)}/o"


def _session(*, anonymous: bool) -> Any:
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    token = os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    credentials = AnonymousCredentials() if anonymous else Credentials(token) if token else google.auth.default(scopes=[SCOPE])[0]
    session: Any = AuthorizedSession(credentials)
    retries = Retry(TRIES, backoff_factor=0.3, status_forcelist=AGAIN, allowed_methods=None, raise_on_status=False)
    session.mount("http://", HTTPAdapter(max_retries=retries))
    session.mount("https://", HTTPAdapter(max_retries=retries))
    return session
