"""An add-on that is installed: the objects of its release, in the order in which they are made.

Enters: a row of the table, and where its files are. Leaves: phases of objects, each to be made once the one before it is ready.
Every file is checked against its sha256 before it is read; nothing unverified is ever read. The program is not declared here.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Literal, TypeAlias, get_args
from urllib.request import urlopen

import yaml

from mlx_components.clusters.releases import Release, ReleaseFile, Setting
from mlx_components.kubernetes.place import Manifest
from mlx_specs.layout import user_cache

FOLDER = "MLX_ADD_ONS"
"""The variable that names a folder with the releases' files, for machines without a way out."""
LIMIT = 60.0
"""Seconds within which a server has to go on answering."""
Opener: TypeAlias = Callable[[str], AbstractContextManager[IO[bytes]]]
"""Opens a URL. Raises ``OSError`` or ``HTTPException``."""
PhaseName = Literal["definitions", "namespaces", "access", "configuration", "workloads", "objects", "webhooks"]


class AddOnError(Exception):
    """An add-on that cannot be installed from checked manifests."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Source:
    """Where releases' files are: a folder that has all of them, or a cache that is filled by downloads."""

    cache: Path
    """Files by their sha256."""
    folder: Path | None = None
    """``ADD-ON/FILE``; nothing is downloaded where it is given."""


@dataclass(frozen=True)
class Phase:
    """Objects that do not wait for each other."""

    name: PhaseName
    objects: tuple[Manifest, ...]


def usual_source() -> Source:
    """This user's cache, or the folder that the variable names."""
    given = os.environ.get(FOLDER, "")
    return Source(user_cache() / "add-ons", Path(given).expanduser() if given else None)


def open_url(url: str) -> AbstractContextManager[IO[bytes]]:
    return urlopen(url, timeout=LIMIT)


def phases(release: Release, source: Source, opener: Opener = open_url) -> tuple[Phase, ...]:
    """What the release is made of. Raises ``AddOnError``: a file is unverified, missing, cannot be fetched, or is not the one of the table."""
    _refuse_unverified(release)
    published = [obj for file in release.files for obj in _objects(file, content(release, file, source, opener))]
    defined = {_defined(obj): obj["spec"]["scope"] for obj in published if obj["kind"] == "CustomResourceDefinition"}
    settings = {setting.config_map: setting for setting in release.settings}
    unset = settings.keys() - {obj["metadata"]["name"] for obj in published if obj["kind"] == "ConfigMap"}
    assert not unset, f"{release.id} has no ConfigMap {', '.join(unset)} to set"
    asked = [_asked(obj, defined, settings) for obj in published]
    by_phase = {name: sorted((obj for obj in asked if _phase(obj, defined) == name), key=_order) for name in get_args(PhaseName)}
    return tuple(Phase(name, tuple(objects)) for name, objects in by_phase.items() if objects)


def content(release: Release, file: ReleaseFile, source: Source, opener: Opener = open_url) -> bytes:
    """A file's bytes, whose sha256 is the table's. Raises ``AddOnError``."""
    if source.folder is not None:
        return _local(release, file, source.folder)
    kept = source.cache / file.sha256
    if kept.is_file() and sha256(found := kept.read_bytes()) == file.sha256:
        return found
    fetched = _downloaded(release, file, opener)
    _keep(kept, fetched)
    return fetched


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refuse_unverified(release: Release) -> None:
    if release.unverified:
        files = "; ".join(f"{file.url} {file.reason}" for file in release.unverified)
        hint = f"install it as its own page says ({release.page}), then write {release.name}: verify"
        raise AddOnError(f"{release.id} cannot be installed from checked manifests: {files}", hint=hint)


def _local(release: Release, file: ReleaseFile, folder: Path) -> bytes:
    path = folder / release.place(file)
    if not path.is_file():
        raise AddOnError(f"{release.id}: {path} is not there", hint=f"fetch it from {file.url}, or unset {FOLDER}: then mlx does")
    return _checked(release, file, path.read_bytes(), str(path))


def _downloaded(release: Release, file: ReleaseFile, opener: Opener) -> bytes:
    try:
        with opener(file.url) as response:
            found = response.read()
    except (OSError, HTTPException) as error:
        hint = f"is this network the right one? or put the release's files into a folder, and name it in {FOLDER}"
        raise AddOnError(f"{release.id}: {file.url} cannot be downloaded: {error}", hint=hint) from error
    return _checked(release, file, found, file.url)


def _checked(release: Release, file: ReleaseFile, found: bytes, where: str) -> bytes:
    if sha256(found) != file.sha256:
        hint = f"nothing of it was read; fetch {file.url} again, and do not install it if it stays different"
        raise AddOnError(f"{release.id}: {where} is not the file that was checked: its sha256 is {sha256(found)}, not {file.sha256}", hint=hint)
    return found


def _keep(path: Path, content: bytes) -> None:
    """Whole or not at all: others may read it at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(content)
        Path(part.name).replace(path)
    except OSError as error:
        raise AddOnError(f"{path} cannot be written: {error.strerror}", hint="XDG_CACHE_HOME names another folder for what can be fetched again") from error


class _AsKubernetesReads(yaml.CSafeLoader):
    """Dates and ``=`` are texts, as for kubectl."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def _objects(file: ReleaseFile, content: bytes) -> Iterator[Manifest]:
    text = content.decode()
    for part in [_heredoc(text, mark) for mark in file.heredocs] or [text]:
        yield from (obj for obj in yaml.load_all(part, Loader=_AsKubernetesReads) if obj)


def _heredoc(script: str, mark: str) -> str:
    """What a script prints by ``cat <<'MARK'``."""
    _, begin, rest = script.partition(f"<<'{mark}'\n")
    text, end, _ = rest.partition(f"\n{mark}\n")
    assert begin and end, f"the script has no text between {mark}"
    return text


def _defined(definition: Manifest) -> tuple[str, str]:
    """The group and the kind that a definition defines."""
    return definition["spec"]["group"], definition["spec"]["names"]["kind"]


def _group_and_kind(obj: Manifest) -> tuple[str, str]:
    return str(obj["apiVersion"]).rpartition("/")[0], str(obj["kind"])


def _asked(published: Manifest, defined: Mapping[tuple[str, str], str], settings: Mapping[str, Setting]) -> Manifest:
    """As it is asked for: without what only a server writes, and with our settings."""
    metadata = {key: value for key, value in published["metadata"].items() if key != "creationTimestamp"}
    if defined.get(_group_and_kind(published)) == "Cluster":
        metadata.pop("namespace", None)  # kustomize gives one to every kind that it does not know
    asked = {**{key: value for key, value in published.items() if key != "status"}, "metadata": metadata}
    setting = settings.get(metadata["name"]) if published["kind"] == "ConfigMap" else None
    return _with(asked, setting) if setting else asked


def _with(config_map: Manifest, setting: Setting) -> Manifest:
    changed = {**json.loads(config_map["data"][setting.key]), setting.field: setting.value}
    return {**config_map, "data": {**config_map["data"], setting.key: json.dumps(changed, indent=2)}}


def _phase(obj: Manifest, defined: Mapping[tuple[str, str], str]) -> PhaseName:
    """Objects of the release's own kinds need its definitions; those of another add-on's configure the workloads."""
    kind = _group_and_kind(obj)
    return "objects" if kind in defined else PHASES.get(kind[1], "configuration")


def _order(obj: Manifest) -> tuple[str, str, str]:
    return str(obj["kind"]), str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


KINDS: Mapping[PhaseName, tuple[str, ...]] = {
    "definitions": ("CustomResourceDefinition",),
    "namespaces": ("Namespace",),
    # A certificate waits for its issuer, and a webhook's pod for the certificate.
    "access": ("ClusterIssuer", "ClusterRole", "ClusterRoleBinding", "Issuer", "Role", "RoleBinding", "ServiceAccount"),
    "workloads": ("CronJob", "DaemonSet", "Deployment", "HorizontalPodAutoscaler", "Job", "PodDisruptionBudget", "StatefulSet"),
    # Last: the release's own objects are valid, and a webhook refuses all of them until its certificate has reached it.
    "webhooks": ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
}
"""Where a kind belongs; all others configure."""
PHASES: Mapping[str, PhaseName] = {kind: phase for phase, kinds in KINDS.items() for kind in kinds}
