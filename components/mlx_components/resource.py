"""A resource of our own provider, and a component around it: the two shapes that every kind is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from mlx_specs.base import Object, plain
from mlx_specs.resources import PACKAGE, PROVIDER_VERSION, About


def about(obj: Object) -> About:
    """What people say of it."""
    return About(description=obj.metadata.description, owner=obj.metadata.owner, labels=obj.metadata.labels)


class MlxResource(pulumi.CustomResource):
    """``mlx:index:TYPE``; ``output(name)`` is a property that the provider computes."""

    def __init__(self, type: str, name: str, inputs: Mapping[str, Any], outputs: Sequence[str], opts: pulumi.ResourceOptions) -> None:
        computed = {output: None for output in outputs if output not in inputs}
        # Mixing versioned and unversioned resources of one package is unstable between runs, so every one asks for it.
        versioned = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(version=PROVIDER_VERSION))
        super().__init__(f"{PACKAGE}:index:{type}", name, {**inputs, **computed}, versioned)

    def output(self, name: str) -> pulumi.Output[Any]:
        """A property by its name on the wire; unknown in a preview when the provider cannot tell."""
        return self.__dict__[name]


class MlxComponent(pulumi.ComponentResource):
    """``mlx:components:KIND``: its inputs are the spec as people wrote it, so that a plan can show what they changed."""

    def __init__(self, obj: Object, kind: str, opts: pulumi.ResourceOptions | None = None, *, waits_for: str = "") -> None:
        """``waits_for`` is the model that an inference on a cluster waits for; there nothing else would say so."""
        written = plain(obj)
        props = {"spec": written.get("spec", {}), "metadata": written["metadata"], **({"waitsFor": waits_for} if waits_for else {})}
        super().__init__(f"{PACKAGE}:components:{kind}", obj.metadata.name, props, opts)
        self.name = obj.metadata.name
        self.about = about(obj)

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a resource that belongs to this component."""
        return pulumi.ResourceOptions(parent=self, **options)
