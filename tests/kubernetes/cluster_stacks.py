"""Stacks on the embedded host whose resources are Kubernetes objects, declared as a program would."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pulumi

from mlx_engine.cli_host import cli_host
from mlx_engine.embedded import embedded_host
from mlx_engine.host import Event, EventKind, Host, Op, Options, Stack
from mlx_kubernetes.plugin import write_plugin
from mlx_kubernetes.provider import KubernetesProvider

Declared: TypeAlias = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
OWNED = {"mlx.dev/owner": "project.dev"}


class KubernetesObject(pulumi.CustomResource):
    """One object, as ``pulumi_kubernetes`` declares it: its type is ``kubernetes:GROUP/VERSION:KIND``."""

    def __init__(self, name: str, asked: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        version = str(asked["apiVersion"])
        group = version if "/" in version else f"core/{version}"
        super().__init__(f"kubernetes:{group}:{asked['kind']}", name, dict(asked), opts)


@dataclass
class ClusterStack:
    """One stack that talks to one cluster."""

    root: Path
    kubeconfig: Path
    name: str = "dev"
    by_cli: bool = False
    """On the real pulumi CLI, which starts the provider as an executable."""
    events: list[Event] = field(default_factory=list)

    def host(self) -> Host:
        stack = Stack("project", self.name, self.root, self.root / "state")
        if self.by_cli:
            return cli_host(stack, Options(), [write_plugin(self.root / "plugins")])
        return embedded_host(stack, Options(), {"kubernetes": KubernetesProvider})

    def declare(self, objects: Sequence[Declared], **options: Any) -> Any:
        """A program: the objects in this order, each with ``options``."""

        def program() -> None:
            provider = pulumi.ProviderResource("kubernetes", "cluster", {"kubeconfig": str(self.kubeconfig)})
            for one in objects:
                asked = one() if callable(one) else one  # outputs are made within a program only
                name = f"{asked['kind']}-{asked['metadata']['name']}"
                KubernetesObject(name, asked, pulumi.ResourceOptions(provider=provider, **options))

        return program

    def up(self, *objects: Declared, **options: Any) -> list[tuple[Op, list[str]]]:
        return self._changes(self.host().up(self.declare(objects, **options), self.events.append))

    def preview(self, *objects: Declared, **options: Any) -> list[tuple[Op, list[str]]]:
        return self._changes(self.host().preview(self.declare(objects, **options), self.events.append))

    def destroy(self) -> None:
        self.host().destroy(self.events.append)

    def recorded(self) -> list[dict[str, Any]]:
        resources = self.host().export_state()["deployment"].get("resources", [])
        return [item for item in resources if item["type"].startswith("kubernetes:")]

    def told(self) -> list[str]:
        return [event.message for event in self.events if event.kind is EventKind.LOG]

    def _changes(self, result: Any) -> list[tuple[Op, list[str]]]:
        """Of Kubernetes objects: what is done, and at which paths."""
        return [(step.op, list(step.replaced_by or step.changed)) for step in result.changes if step.type.startswith("kubernetes:")]


def with_value(asked: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one field changed."""
    changed = copy.deepcopy(dict(asked))
    *way, last = path.split(".")
    at: Any = changed
    for part in way:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    at[last] = value
    return changed
