"""Which paths a kind has, by one aggregated discovery a run. A definition that is made meanwhile is looked for again.

Source: the API group discovery of Kubernetes, apidiscovery.k8s.io/v2.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

from mlx_kubernetes.client import Client
from mlx_kubernetes.errors import KubernetesError, NotYet

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True)
class Resource:
    """Where objects of a kind stand."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """Of one object, or of all."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        inside = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{quote(name)}" if name else "")


@dataclass
class Discovery:
    """Asked once, and again where a kind is missing."""

    client: Client
    _known: dict[tuple[str, str], Resource] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def resource(self, api_version: str, kind: str) -> Resource:
        """Raises ``NotYet`` where the cluster does not know the kind."""
        with self._turn:
            found = self._known.get((api_version, kind))
            if found is None:
                self._known = self._asked()
                found = self._known.get((api_version, kind))
        if found is not None:
            return found
        other = sorted(version for version, name in self._known if name == kind and version.rpartition("/")[0] == api_version.rpartition("/")[0])
        raise NotYet(
            f"the cluster does not know {kind} of {api_version}",
            hint=f"it knows {kind} of {', '.join(other)}" if other else "install its definition: mlx apply --cluster NAME",
        )

    def _asked(self) -> dict[tuple[str, str], Resource]:
        found: dict[tuple[str, str], Resource] = {}
        for path in ("/api", "/apis"):
            answer = self.client.get(path, AGGREGATED)
            if not answer.ok:
                raise KubernetesError(
                    f"the API server does not say what it serves: {answer.message}", hint="mlx needs Kubernetes 1.30 or newer, and may read /api and /apis"
                )
            for group in cast("list[Mapping[str, Any]]", answer.body.get("items") or []):
                found.update(_of_group(group))
        return found


def _of_group(group: Mapping[str, Any]) -> dict[tuple[str, str], Resource]:
    name = (group.get("metadata") or {}).get("name") or ""
    found: dict[tuple[str, str], Resource] = {}
    for version in group.get("versions") or []:
        api_version = f"{name}/{version['version']}" if name else str(version["version"])
        for one in version.get("resources") or []:
            kind = (one.get("responseKind") or {}).get("kind") or ""
            found[api_version, kind] = Resource(api_version, kind, str(one["resource"]), one.get("scope") == "Namespaced")
    return found
