"""``prepare``: a dataset's definition in, its rows in the storage out; rows that are there are not written again.

Source and inputs are looked at before anything is read: where they are as they were, nothing is prepared.
"""

from pydantic import Field

from mlx_runtime.cluster.bundle import lay_source
from mlx_runtime.cluster.datasets import Prepared, await_current, content_key, current_key, definition_key, fetch_rows, read_prepared, write_prepared
from mlx_runtime.cluster.run import Run
from mlx_runtime.cluster.storage import MANIFEST, Storage, open_storage
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.prepare.dataset import prepare as prepare_rows
from mlx_runtime.prepare.digests import source_digest
from mlx_runtime.prepare.errors import PrepareError
from mlx_runtime.prepare.folder import DATA, read_manifest, write_manifest
from mlx_specs import layout
from mlx_specs.dataset import DatasetSpec
from mlx_specs.dataset_resources import PreparedDatasetInputs, PreparedDatasetOutputs
from mlx_specs.resources import Wire


class PrepareObject(Wire):
    """/mlx/object.json"""

    name: str
    digest: str
    """Of the definition and of what it reads."""
    definition: dict[str, object]
    inputs: list[str]
    input_digests: dict[str, str] = Field(default_factory=dict)
    """Of the definition of each input: rows of an older one are not taken."""
    storage: str


def prepare(content: str, run: Run) -> None:
    """Prepares the rows, sends them, and names them the latest. Raises ``RuntimeFailure``."""
    asked = PrepareObject.model_validate_json(content)
    try:
        _prepare(asked, open_storage(asked.storage), run)
    except (PrepareError, RuntimeFailure) as error:
        raise RuntimeFailure(f"Dataset/{asked.name}: {str(error).removeprefix(f'Dataset/{asked.name}: ')}", hint=error.hint) from error


def _prepare(asked: PrepareObject, storage: Storage, run: Run) -> None:
    digests = asked.input_digests
    inputs = {name: await_current(storage, name, run.report, definition=digests.get(name, "")).content_digest for name in asked.inputs}
    lay_source(DatasetSpec.model_validate(asked.definition), storage, run)
    source = source_digest(asked.definition, run.workspace)
    done = read_prepared(storage, definition_key(asked.name, asked.digest))
    if done is None or (done.source_digest, done.inputs) != (source, inputs) or not _is_there(storage, asked.name, done):
        done = _prepare_rows(asked, inputs, source, storage, run)
        write_prepared(storage, definition_key(asked.name, asked.digest), done)
    else:
        run.report("source and inputs have not changed: nothing to prepare")
    write_prepared(storage, current_key(asked.name), done)
    run.report(f"{storage.where(content_key(asked.name, done.content_digest))} is the latest")


def _is_there(storage: Storage, name: str, done: Prepared) -> bool:
    return storage.read(f"{content_key(name, done.content_digest)}/{MANIFEST}") is not None


def _prepare_rows(asked: PrepareObject, inputs: dict[str, str], source: str, storage: Storage, run: Run) -> Prepared:
    for name, content_digest in inputs.items():
        fetch_rows(storage, name, content_digest, run.workspace / layout.dataset(run.home, name, content_digest))
    declared = PreparedDatasetInputs(name=asked.name, home=run.home, definition=asked.definition, inputs=inputs, source_digest=source)
    made = prepare_rows(declared, run.workspace, run.report)
    _send(made, storage, run)
    return Prepared(definition=asked.digest, source_digest=source, inputs=inputs, content_digest=made.content_digest, rows=made.rows)


def _send(made: PreparedDatasetOutputs, storage: Storage, run: Run) -> None:
    """The same rows stay as they were written first: another release of Parquet's library may write them in other bytes, while somebody reads."""
    folder = run.workspace / layout.dataset(run.home, made.name, made.content_digest)
    key = content_key(made.name, made.content_digest)
    there = storage.read_json(f"{key}/{MANIFEST}")
    if there is not None:
        manifest = read_manifest(folder) or {}
        write_manifest(folder, {**manifest, "files": {**manifest["files"], DATA: there["files"][DATA]}})
    storage.send_folder(folder, key)
