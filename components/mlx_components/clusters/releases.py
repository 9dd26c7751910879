"""The table of the add-ons' releases: which files an add-on is installed from, and what proves that it is there.

Enters: releases.yaml, the only place where their versions stand. Leaves: frozen rows. Nothing is downloaded here.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self, TypeAlias, get_args

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from mlx_specs.cluster import AddOn

ADD_ONS: tuple[AddOn, ...] = get_args(AddOn)
"""In the order of installation."""
TABLE = Path(__file__).with_name("releases.yaml")
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Row(BaseModel):
    """Base of all that the table holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReleaseFile(Row):
    """One file of a release, where its project publishes it."""

    url: str
    sha256: Sha256 | Literal[""] = ""
    unverified: bool = False
    reason: str = ""
    """Why nobody could hash it here."""
    folder: str = ""
    """Where it lies in a local folder; empty: in the add-on's own."""
    heredocs: tuple[str, ...] = ()
    """Of a shell script: the texts between these marks are the manifests."""

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @model_validator(mode="after")
    def _is_hashed_or_not(self) -> Self:
        if bool(self.sha256) is self.unverified or self.unverified is not bool(self.reason):
            raise ValueError(f"{self.url}: a file has a sha256, or is unverified for a reason")
        return self


class Definition(Row):
    """A custom resource definition, by its name, and the version of the kind that is used."""

    name: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.name.partition('.')[2]}/{self.version}"


class Workload(Row):
    """What runs when the add-on does."""

    namespace: str
    kind: Literal["Deployment", "DaemonSet"]
    name: str

    @property
    def id(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class ImageTag(Row):
    """The tag of the first workload's image whose path ends so; registries differ."""

    image: str


class Label(Row):
    """A label of the first workload."""

    label: str


class Annotation(Row):
    """An annotation of the first definition."""

    annotation: str


VersionFrom: TypeAlias = ImageTag | Label | Annotation


class Setting(Row):
    """A field that differs from what is published: in the JSON text below a key of a ConfigMap."""

    config_map: str
    key: str
    field: str
    value: str


class Store(Row):
    """Where the first workload keeps what must outlast its pod: as an option of its command says, or a variable."""

    what: str
    option: str
    variable: str
    wants: str


class Release(Row):
    """One add-on at one version."""

    name: AddOn
    version: str
    page: str
    """Where its project says how it is installed."""
    version_from: VersionFrom
    definitions: tuple[Definition, ...]
    workloads: tuple[Workload, ...]
    settings: tuple[Setting, ...] = ()
    stores: tuple[Store, ...] = ()
    files: tuple[ReleaseFile, ...]

    @property
    def id(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def unverified(self) -> tuple[ReleaseFile, ...]:
        """An add-on that has such a file is verified by its objects, and never installed."""
        return tuple(file for file in self.files if file.unverified)

    def place(self, file: ReleaseFile) -> PurePosixPath:
        """Where a file lies in a local folder."""
        return PurePosixPath(file.folder or self.name, file.name)


@cache
def releases() -> Mapping[AddOn, Release]:
    """By add-on, in the order of installation."""
    written = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {name: Release(name=name, **written[name]) for name in written}
