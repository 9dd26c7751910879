"""What is wrong with a bucket, in one line and a way out: each from a real server, or from none."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from buckets import Bucket
from servers import AZURITE_ACCOUNT, AZURITE_KEY

from mlx_engine.host import EngineError
from mlx_engine.state.blobs import open_blobs

CLOUDS = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_", "CLOUDSDK_")


def test_a_bucket_that_is_not_there_is_named(bucket: Bucket) -> None:
    url = bucket.url.replace("://state/", "://nobody/")
    kind = "container" if bucket.server.kind == "azblob" else "bucket"
    for verb in ("read", "keys", "write"):
        assert refused(url, verb) == (f"{bucket.server.kind}://nobody/{bucket.prefix}: there is no such {kind}", f"create the {kind}, or mend state.backend")


def test_an_endpoint_that_nobody_answers_is_named_with_a_way_out(bucket: Bucket, tmp_path: Path) -> None:
    closed = bucket.proxy.port
    bucket.proxy.refuses = True
    with only(tmp_path, {**bucket.server.variables(closed)}):
        message, hint = refused(bucket.server.url(f"{bucket.prefix}-closed", closed), "read")
    assert re.match(rf"{bucket.server.kind}://state/{bucket.prefix}-closed/x.json could not be read: ", message)
    assert hint == "check the network and the address in state.backend"


def test_an_address_where_nothing_listens_passes_for_a_network_that_fails(s3: Bucket) -> None:
    said: list[str] = []
    with pytest.raises(EngineError, match="Could not connect to the endpoint URL"):
        open_blobs(s3.server.url("nothing", 1)).telling(said.append).read("x.json")
    assert said[0].endswith(": trying again in 0.2 s")


NO_CREDENTIALS = [
    ("s3", {}, "no credentials that it takes (Unable to locate credentials)", "set AWS_ACCESS_KEY_ID"),
    ("s3", {"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "wrong"}, "no credentials that it takes (SignatureDoesNotMatch: ", "set AWS_"),
    ("s3", {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "wrong"}, "no credentials that it takes (XAdminUserNotFound: ", "set AWS_"),
    ("azblob", {}, "no storage account", "set AZURE_STORAGE_ACCOUNT"),
    ("azblob", {"AZURE_STORAGE_ACCOUNT": AZURITE_ACCOUNT, "AZURE_STORAGE_KEY": "d3Jvbmc="}, "no permission (AuthorizationFailure: ", "the credentials need to"),
    ("gs", {"GOOGLE_APPLICATION_CREDENTIALS": "nowhere.json"}, "no credentials that it takes (File nowhere.json was not found.)", "set GOOGLE_"),
    ("gs", {"GOOGLE_CREDENTIALS": "{}"}, "no credentials that it takes (", "set GOOGLE_"),
]


@pytest.mark.parametrize(("kind", "variables", "message", "hint"), NO_CREDENTIALS)
def test_credentials_that_open_nothing_are_named(kind: str, variables: Mapping[str, str], message: str, hint: str, servers: Any, tmp_path: Path) -> None:
    url = servers(kind).url(f"closed-{tmp_path.name}")
    with only(tmp_path, variables):
        said = refused(url, "read")
    assert said[0].startswith(f"{kind}://state/closed-{tmp_path.name}: ")
    assert message in said[0]
    assert said[1].startswith(hint)
    assert "\n" not in said[0]


def test_a_token_that_may_only_read_is_no_permission_to_write(servers: Any, tmp_path: Path) -> None:
    may = (ResourceTypes(container=True, object=True), AccountSasPermissions(read=True, list=True), datetime.now(UTC) + timedelta(hours=1))
    token = generate_account_sas(AZURITE_ACCOUNT, AZURITE_KEY, *may)
    url = servers("azblob").url(f"reading-{tmp_path.name}")
    with only(tmp_path, {"AZURE_STORAGE_ACCOUNT": AZURITE_ACCOUNT, "AZURE_STORAGE_SAS_TOKEN": token}):
        assert open_blobs(url).read("x.json") is None
        message, hint = refused(url, "write")
    assert message.startswith(f"azblob://state/reading-{tmp_path.name}: no permission (AuthorizationPermissionMismatch: ")
    assert hint == "the credentials need to list, read, write and delete below it"


@pytest.mark.parametrize(("scheme", "package", "extra"), [("s3", "s3fs", "s3"), ("azblob", "adlfs", "azblob"), ("gs", "google.auth", "gs")])
def test_an_extra_that_is_not_installed_is_named(scheme: str, package: str, extra: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\nfrom mlx_engine.state.blobs import open_blobs\nopen_blobs('{scheme}://bucket')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr.splitlines()[-1]
    assert f"{scheme}://bucket: state in {scheme}:// needs the package {package.replace('.', '-')}" in said
    with pytest.raises(EngineError) as wrong:
        open_blobs(f"{scheme}://bucket?colour=red")
    assert str(wrong.value) == f"{scheme}://bucket?colour=red: 'colour' is not known"
    from mlx_engine.state.buckets.remote import KINDS

    assert KINDS[scheme].extra == extra


def test_state_in_a_folder_imports_no_cloud() -> None:
    code = (
        "import sys; from pathlib import Path\nfrom mlx_engine.state.blobs import open_blobs\nopen_blobs(Path('.')).read('x')\n"
        "sys.exit(any(name in sys.modules for name in ('s3fs', 'adlfs', 'fsspec', 'google.auth', 'mlx_engine.state.buckets')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def refused(url: str, verb: str) -> tuple[str, str]:
    """Message and hint."""
    with pytest.raises(EngineError) as wrong:
        blobs = open_blobs(url)
        match verb:
            case "read":
                blobs.read("x.json")
            case "keys":
                blobs.keys("folder", ".json")
            case _:
                blobs.write("x.json", b"")
    return str(wrong.value), wrong.value.hint


@contextmanager
def only(home: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """The variables of clouds are these, and the user's files do not count."""
    before = {name: value for name, value in os.environ.items() if name.startswith(CLOUDS)}
    hermetic = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": str(home), "AWS_SHARED_CREDENTIALS_FILE": str(home), "CLOUDSDK_CONFIG": str(home)}
    for name in before:
        del os.environ[name]
    os.environ.update({**hermetic, **variables})
    try:
        yield
    finally:
        for name in {**hermetic, **variables}:
            del os.environ[name]
        os.environ.update(before)
