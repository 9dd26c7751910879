"""mlx:index:Declared: an object that this target does not run yet; it is recorded so that plans can speak of it."""

from pathlib import Path

from mlx_provider.protocol import Created, Difference, Report, Values, changed_inputs
from mlx_specs.resources import DeclaredInputs


class Declared:
    """id = KIND/NAME. Nothing runs; its status gives the reason."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is added."""
        return DeclaredInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Everything is updated in place."""
        return Difference(changed_inputs(old_inputs, inputs))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Outputs are the inputs."""
        return dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Records it."""
        asked = DeclaredInputs.model_validate(inputs)
        return Created(f"{asked.kind}/{asked.name}", asked.wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """What is recorded is what there is."""
        return outputs

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Records it anew."""
        return dict(inputs)

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Nothing ran."""
