"""mlx:index:JoinedDataset: the rows of a model or a batch with the features of a service, as of each row's event time.

HOME/joined/CONSUMER/CONTENT_DIGEST/. An update joins again; older contents stay, because model versions refer to them.
"""

import shutil
from pathlib import Path

from mlx_features.errors import FeatureError
from mlx_features.shared import worker
from mlx_provider.feature_registry import code_of, given
from mlx_provider.protocol import Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs import layout
from mlx_specs.feature_resources import JoinedDatasetInputs, JoinedDatasetOutputs

JOINED_FROM = ("name", "home", "store", "definitions", "sources", "data", "codeDigest")
"""Inputs that decide which values come out."""
REPLACES = frozenset({"name", "home"})


class JoinedDataset:
    """id = the consumer's name."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Adds the digest of the on-demand functions' code."""
        asked = JoinedDatasetInputs.model_validate(given(inputs))
        return asked.model_copy(update={"code_digest": code_of(asked.definitions, workspace, f"the rows of {asked.name}")}).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """What differs; rows that are gone from the disk count as a difference of their path."""
        changed = changed_inputs(old_inputs, inputs)
        lost = () if _is_there(old_outputs, workspace) else ("path",)
        return Difference(tuple(sorted((*changed, *lost))), tuple(key for key in changed if key in REPLACES))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The content is known while all that decides it is the same."""
        return {**old_outputs, **inputs} if old_outputs and _same(old_outputs, inputs) else dict(inputs)

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Joins; the same content is adopted."""
        asked = JoinedDatasetInputs.model_validate(given(inputs))
        try:
            return Created(asked.name, worker(workspace).join(asked, report).wire())
        except FeatureError as error:
            raise ResourceError(f"the features of {asked.definitions.services[0].name!r} for {asked.data.name!r}: {error}", hint=error.hint) from error

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """The rows are there, or the join is gone."""
        return outputs if _is_there(outputs, workspace) else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Joins again, unless only who the consumer is has changed."""
        if _same(old_outputs, inputs) and _is_there(old_outputs, workspace):
            return {**old_outputs, **inputs}
        return self.create(inputs, workspace, report).outputs

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Removes all contents of the consumer."""
        gone = JoinedDatasetInputs.model_validate(given(inputs))
        shutil.rmtree(workspace / layout.joined(gone.home, gone.name, "content").parent, ignore_errors=True)


def _same(old: Values, new: Values) -> bool:
    return all(old.get(key) == new.get(key) for key in JOINED_FROM)


def _is_there(outputs: Values, workspace: Path) -> bool:
    path = JoinedDatasetOutputs.model_validate(given(outputs)).path
    return bool(path) and (workspace / path).is_file()
