"""An object that this target does not run yet: recorded with the reason, so that plans and status can speak of it."""

from mlx_components.resource import MlxComponent, MlxResource
from mlx_specs.base import Object, plain
from mlx_specs.resources import DeclaredInputs


class DeclaredComponent(MlxComponent):
    """A whole kind that is declared and planned, but not run."""

    def __init__(self, obj: Object, kind: str, reason: str, *, protect: bool = False) -> None:
        super().__init__(obj, kind)
        declare(self, obj, kind, reason, protect=protect)


def declare(component: MlxComponent, obj: Object, kind: str, reason: str, *, protect: bool = False) -> None:
    """The one child of a component that only records."""
    spec = plain(obj).get("spec", {})
    declared = DeclaredInputs(kind=kind, name=obj.metadata.name, spec=spec, reason=reason, about=component.about).wire()
    MlxResource("Declared", obj.metadata.name, declared, (), component.child(protect=protect))
    component.register_outputs({"status": f"Declared({reason})"})
