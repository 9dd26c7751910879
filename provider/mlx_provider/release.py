"""mlx:index:Release: which release a pinned environment runs. It records; the bytes are copied by a promotion, and only grow."""

from pathlib import Path

from mlx_provider.protocol import Created, Difference, Report, Values, changed_inputs
from mlx_specs.release_resources import ReleaseInputs


class Release:
    """id = the release's digest, so another release is another resource."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is added."""
        return ReleaseInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """Another digest is another release; a rollback to the same one, and back, is recorded anew."""
        changed = changed_inputs(old_inputs, inputs)
        return Difference(changed, tuple(key for key in changed if key == "digest"))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Outputs are the inputs."""
        return dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Records it."""
        asked = ReleaseInputs.model_validate(inputs)
        return Created(asked.digest, asked.wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """What is recorded is what there is; each released version looks after its own bytes."""
        return outputs

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Records it anew."""
        return dict(inputs)

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """The bytes stay, for a rollback."""
