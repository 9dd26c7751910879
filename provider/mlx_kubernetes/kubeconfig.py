"""What the kubeconfig says: of one text, of one file, or of several as kubectl merges them.

Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from mlx_kubernetes.errors import KubernetesError

SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""The fields that name a file: relative to the kubeconfig that names it."""

Entries = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Kubeconfig:
    """Its entries by kind and name; paths of files are as good from any folder as from their own."""

    where: str
    """The file or the files, as a message names them."""
    current: str
    """The name of the context that is used where none is named; may be empty."""
    entries: Mapping[str, Entries]
    """By ``cluster``, ``context`` and ``user``."""

    def named(self, kind: str, name: str) -> Mapping[str, Any]:
        """One entry; raises ``KubernetesError`` with what there is."""
        known = self.entries[kind]
        if name not in known:
            raise KubernetesError(f"{self.where} has no {kind} {name!r}", hint=f"there are: {', '.join(known) or 'none'}")
        return known[name]


def read_kubeconfig(kubeconfig: str) -> Kubeconfig:
    """From a file's path or text; left out: the files of ``KUBECONFIG``, else ``~/.kube/config``."""
    if "\n" in kubeconfig or kubeconfig.lstrip().startswith("{"):
        return _parsed(kubeconfig, "the kubeconfig", Path())
    listed = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    paths = [Path(path).expanduser() for path in listed.split(os.pathsep) if path]
    there = [path for path in paths if path.is_file()]
    if not there:
        said = ", ".join(map(str, paths))
        raise KubernetesError(f"no kubeconfig at {said}", hint="set KUBECONFIG, or name the file in the Cluster: spec.kubeconfig")
    return _merged([_parsed(path.read_text(encoding="utf-8"), str(path), path.parent) for path in there])


def _merged(configs: Sequence[Kubeconfig]) -> Kubeconfig:
    """The first file that defines a name, or sets the current context, is right."""
    current = next((each.current for each in configs if each.current), "")
    entries = {kind: _first(each.entries[kind] for each in configs) for kind in SECTIONS.values()}
    return Kubeconfig(os.pathsep.join(each.where for each in configs), current, entries)


def _first(several: Iterable[Entries]) -> Entries:
    found: dict[str, Mapping[str, Any]] = {}
    for entries in several:
        found = {**found, **{name: entry for name, entry in entries.items() if name not in found}}
    return found


def _parsed(text: str, where: str, folder: Path) -> Kubeconfig:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError:
        config = None
    if not isinstance(config, dict):
        raise KubernetesError(f"{where} is no kubeconfig", hint="kubectl config view shows what one looks like")
    values = cast("Mapping[str, Any]", config)
    entries = {kind: _by_name(values.get(section) or (), kind, folder) for section, kind in SECTIONS.items()}
    return Kubeconfig(where, str(values.get("current-context") or ""), entries)


def _by_name(section: Sequence[Mapping[str, Any]], kind: str, folder: Path) -> Entries:
    return _first({str(one.get("name")): _with_paths(one.get(kind) or {}, folder)} for one in section)


def _with_paths(entry: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    return {**entry, **{name: str(folder / str(entry[name])) for name in FILES if entry.get(name)}}
