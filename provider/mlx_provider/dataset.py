"""mlx:index:PreparedDataset: rows read, prepared, checked and kept by content; id = the dataset's name.

An update prepares again; older contents stay, because model versions and releases refer to them. Deleting removes them all.
"""

from pathlib import Path

from mlx_provider.protocol import CheckError, Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs import layout
from mlx_specs.dataset_resources import PreparedDatasetInputs, PreparedDatasetOutputs

PREPARED_FROM = ("name", "home", "definition", "inputs", "sourceDigest")
"""Inputs that decide which rows come out."""
REPLACES = frozenset({"name", "home"})


class PreparedDataset:
    """HOME/datasets/NAME/CONTENT_DIGEST/."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Adds the digest of the source: reads files (once) or asks the database."""
        from mlx_runtime.prepare.digests import source_digest
        from mlx_runtime.prepare.errors import PrepareError

        asked = PreparedDatasetInputs.model_validate(_given(inputs))
        try:
            digest = source_digest(asked.definition, workspace)
        except PrepareError as error:
            raise CheckError(f"Dataset/{asked.name}: {error}", field="definition", hint=error.hint) from error
        return asked.model_copy(update={"source_digest": digest}).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """What differs; rows that are gone from the disk count as a difference of their path."""
        changed = changed_inputs(old_inputs, inputs)
        path = PreparedDatasetOutputs.model_validate(_given(old_outputs)).path
        lost = () if path and (workspace / path).is_file() else ("path",)
        return Difference(tuple(sorted((*changed, *lost))), tuple(key for key in changed if key in REPLACES))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The content is known while all that decides it is the same."""
        return {**old_outputs, **inputs} if old_outputs and _same(old_outputs, inputs) else dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Prepares; the same content is adopted."""
        from mlx_runtime.prepare.dataset import prepare
        from mlx_runtime.prepare.errors import PrepareError

        asked = PreparedDatasetInputs.model_validate(_given(inputs))
        try:
            return Created(asked.name, prepare(asked, workspace, report).wire())
        except PrepareError as error:
            raise ResourceError(str(error), hint=error.hint) from error

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """The files are there with the bytes that were written, or the dataset is gone."""
        from mlx_runtime.prepare.folder import verified

        return outputs if verified(_folder(outputs, workspace)) else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Prepares again, unless only who the dataset is has changed."""
        from mlx_runtime.prepare.folder import set_about, verified

        folder = _folder(old_outputs, workspace)
        if _same(old_outputs, inputs) and verified(folder):
            set_about(folder, inputs["about"])
            return {**old_outputs, **inputs}
        return self.create(inputs, workspace, report).outputs

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Removes all contents of the dataset."""
        from mlx_runtime.prepare.folder import remove

        gone = PreparedDatasetOutputs.model_validate(_given(outputs))
        remove((workspace / layout.dataset(gone.home, gone.name, "content")).parent)


def _given(values: Values) -> Values:
    return {key: value for key, value in values.items() if value is not None}


def _same(old: Values, new: Values) -> bool:
    return all(old.get(key) == new.get(key) for key in PREPARED_FROM)


def _folder(outputs: Values, workspace: Path) -> Path:
    made = PreparedDatasetOutputs.model_validate(_given(outputs))
    return workspace / layout.dataset(made.home, made.name, made.content_digest or "none")
