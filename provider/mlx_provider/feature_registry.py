"""mlx:index:FeatureRegistry: a feature store as a Feast project; id = the store's name.

HOME/features/NAME/ holds feature_store.yaml, registry.db and sources/. Create and update make the registry hold just the
definitions that are asked for; what somebody changed in it is put back.
"""

from pathlib import Path

from mlx_features.errors import FeatureError
from mlx_features.repository import CONFIG, REGISTRY, config_path
from mlx_features.shared import worker
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.feature_code import FOLDER, functions_digest
from mlx_provider.protocol import CheckError, Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs import layout
from mlx_specs.feature_resources import FeatureDefinitions, FeatureRegistryInputs, FeatureRegistryOutputs


class FeatureRegistry:
    """One Feast project."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Adds the digest of the on-demand functions' code."""
        asked = FeatureRegistryInputs.model_validate(given(inputs))
        return asked.model_copy(update={"code_digest": code_of(asked.definitions, workspace, f"feature store {asked.name!r}")}).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """What differs; files that are gone count as a difference of their path, what a refresh found changed as one of the digest."""
        changed = changed_inputs(old_inputs, inputs)
        drifted = ("registryDigest",) if old_outputs.get("registryDigest") != old_outputs.get("appliedDigest") else ()
        lost = () if _is_there(inputs, workspace) else ("path",)
        return Difference(tuple(sorted((*changed, *drifted, *lost))), tuple(key for key in changed if key == "home"))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """Its file is known; what the registry will say is known while nothing changes."""
        path = config_path(inputs["home"], inputs["name"])
        same = old_outputs is not None and all(old_outputs.get(key) == value for key, value in inputs.items())
        return {**(old_outputs or {}), **inputs} if same else {**inputs, "path": path}

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Applies all definitions; what an interrupted apply left is gone over again."""
        asked = FeatureRegistryInputs.model_validate(given(inputs))
        try:
            made = worker(workspace).apply(asked, report)
        except FeatureError as error:
            raise ResourceError(f"feature store {asked.name!r}: {error}", hint=error.hint) from error
        return Created(asked.name, made.model_copy(update={"applied_digest": made.registry_digest}).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """What the registry says now; None when it is gone."""
        known = FeatureRegistryOutputs.model_validate(given(outputs))
        now = worker(workspace).read(FeatureRegistryInputs.model_validate(given(outputs))) if _is_there(outputs, workspace) else None
        return known.model_copy(update={"registry_digest": now}).wire() if now is not None else None

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """The same as create: Feast finds what differs."""
        return self.create(inputs, workspace, report).outputs

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Removes registry, online store and sources."""
        gone = FeatureRegistryInputs.model_validate(given(inputs))
        try:
            worker(workspace).teardown(gone.home, gone.name)
        except FeatureError as error:
            raise ResourceError(f"feature store {gone.name!r}: {error}", hint=error.hint) from error


def code_of(definitions: FeatureDefinitions, workspace: Path, whose: str) -> str:
    """The digest of the on-demand functions; raises CheckError for one that is not there."""
    folders = {view.folder for view in definitions.on_demand}  # one at most: a store is released as a whole
    try:
        return functions_digest([view.function for view in definitions.on_demand], workspace, next(iter(folders), "") or FOLDER)
    except PipelineError as error:
        raise CheckError(f"{whose}: {error}", field="definitions", hint=error.hint) from error


def given(values: Values) -> Values:
    """Without what a component leaves to be computed."""
    return {key: value for key, value in values.items() if value is not None}


def _is_there(values: Values, workspace: Path) -> bool:
    folder = workspace / layout.features(values["home"], values["name"])
    return (folder / CONFIG).is_file() and (folder / REGISTRY).is_file()
