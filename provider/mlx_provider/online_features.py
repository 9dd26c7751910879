"""mlx:index:OnlineFeatures: the views of a store that are served online, brought up to date; id = the store's name.

HOME/features/NAME/online.db. With `trigger: manual` only `mlx features materialize` writes to it.
"""

from pathlib import Path

from mlx_features.errors import FeatureError
from mlx_features.repository import online_path, table
from mlx_features.shared import worker
from mlx_features.sqlite_reads import open_to_read
from mlx_provider.protocol import Created, Difference, Report, ResourceError, Values, changed_inputs
from mlx_specs.feature_resources import OnlineFeaturesInputs, OnlineFeaturesOutputs

MATERIALISED_FROM = ("home", "definitions", "sources", "start", "trigger")
NOT_RUN = "NotRun(manual)"


class OnlineFeatures:
    """The online store of one feature store."""

    def check(self, inputs: Values, workspace: Path) -> Values:
        """Nothing is added."""
        return OnlineFeaturesInputs.model_validate(inputs).wire()

    def diff(self, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path) -> Difference:
        """What differs; a store that is gone counts as a difference of its path, one that lost rows as a difference of them."""
        changed = changed_inputs(old_inputs, inputs)
        lost = ("path",) if old_outputs.get("status") != NOT_RUN and not _is_there(inputs, workspace) else ()
        fewer = ("rows",) if old_outputs.get("status") == LOST_ROWS else ()
        return Difference(tuple(sorted((*changed, *lost, *fewer))), tuple(key for key in changed if key == "home"))

    def planned(self, inputs: Values, old_outputs: Values | None) -> Values:
        """The path is always known: whoever reads from it finds what there is."""
        path = online_path(inputs["home"], inputs["name"])
        same = old_outputs is not None and not _materialises(inputs, old_outputs)
        return {**(old_outputs or {}), **inputs, "path": path} if same else {**inputs, "path": path}

    def create(self, inputs: Values, workspace: Path, report: Report) -> Created:
        """Materialises all rows, unless only `mlx features materialize` does."""
        asked = OnlineFeaturesInputs.model_validate(inputs)
        return Created(asked.name, _materialise(asked, workspace, report).wire())

    def read(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> Values | None:
        """None when the store is gone; one with fewer keys than were written says so. More keys are pushed ones: no drift."""
        known = OnlineFeaturesOutputs.model_validate(outputs)
        if known.status == NOT_RUN:
            return outputs
        if not _is_there(outputs, workspace):
            return None
        rows = _counted(known, workspace)
        if all(rows.get(view, 0) >= count for view, count in known.rows.items()):
            return outputs
        return known.model_copy(update={"rows": rows, "status": LOST_ROWS}).wire()

    def update(self, id: str, old_inputs: Values, old_outputs: Values, inputs: Values, workspace: Path, report: Report) -> Values:
        """Materialises where views, rows or settings changed, or the store is not what it was."""
        asked, old = OnlineFeaturesInputs.model_validate(inputs), OnlineFeaturesOutputs.model_validate(old_outputs)
        is_whole = old.status in ("", NOT_RUN) or _is_there(inputs, workspace)
        if is_whole and old.status != LOST_ROWS and not _materialises(inputs, old_outputs):
            return {**old.wire(), **asked.wire()}
        return _materialise(asked, workspace, report).wire()

    def delete(self, id: str, inputs: Values, outputs: Values, workspace: Path) -> None:
        """Removes the store; Feast's own teardown of the registry finds nothing left to remove."""
        gone = OnlineFeaturesInputs.model_validate(inputs)
        path = workspace / online_path(gone.home, gone.name)
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


LOST_ROWS = "LostRows"
"""The status that a refresh gives to a store with fewer keys than were written."""


def _materialises(inputs: Values, old_outputs: Values) -> bool:
    if inputs.get("trigger") == "manual":
        return False
    return any(old_outputs.get(key) != inputs.get(key) for key in MATERIALISED_FROM)


def _materialise(asked: OnlineFeaturesInputs, workspace: Path, report: Report) -> OnlineFeaturesOutputs:
    if asked.trigger == "manual":
        return OnlineFeaturesOutputs(**dict(asked), path=online_path(asked.home, asked.name), status=NOT_RUN)
    try:
        return worker(workspace).materialize(asked, None, None, report)
    except FeatureError as error:
        raise ResourceError(f"feature store {asked.name!r}: {error}", hint=error.hint) from error


def _is_there(values: Values, workspace: Path) -> bool:
    return (workspace / online_path(values["home"], values["name"])).is_file()


def _counted(known: OnlineFeaturesOutputs, workspace: Path) -> dict[str, int]:
    """Keys in each view's table; a view without a table has none."""
    connection = open_to_read(workspace / known.path)
    try:
        present = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        tables = {view.name: table(known.name, view.name) for view in known.definitions.views}
        counted = {view: f'select count(distinct entity_key) from "{name}"' for view, name in tables.items() if name in present}
        return {view: connection.execute(query).fetchone()[0] for view, query in counted.items()}
    finally:
        connection.close()
