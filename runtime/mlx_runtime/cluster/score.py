"""``score``: a version and a dataset in, its predictions in the storage out; what is scored already is not scored again.

The same code as on the laptop, so the same predictions to the bit. Features are joined first, as of each row's moment, and stay in the storage.
"""

import json
from pathlib import Path
from typing import Any

from mlx_runtime.batch import score_dataset
from mlx_runtime.batch.blocks import PREDICTIONS_FILE
from mlx_runtime.batch.run import LATEST_FILE, run_digest
from mlx_runtime.cluster.artifacts import fetch_version
from mlx_runtime.cluster.code import lay_code
from mlx_runtime.cluster.datasets import await_current, content_key, fetch_rows, read_manifest
from mlx_runtime.cluster.joined import join_features, joined_key
from mlx_runtime.cluster.run import Run
from mlx_runtime.cluster.storage import MANIFEST, Storage, open_storage
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.prepare.folder import DATA
from mlx_specs import layout
from mlx_specs.feature_resources import FeatureJoin
from mlx_specs.inference_resources import BatchPredictionsInputs
from mlx_specs.resources import PreparedData, Version, Wire


class ScoreObject(Wire):
    """/mlx/object.json"""

    name: str
    model: str
    """NAME@ALIAS"""
    version: Version
    """Its artifact is a URL."""
    input: str
    input_digest: str = ""
    """Of the input's definition: rows of an older one are not scored."""
    columns: list[str]
    join: FeatureJoin | None = None
    """What is joined to the rows; none where they have all that the model reads."""
    code: str = ""
    """The modules of feature_repo/ that on-demand views need: a zip file in base64."""
    storage: str


def score(content: str, run: Run) -> None:
    """Scores the latest rows, sends the predictions, and names them the latest. Raises ``RuntimeFailure``."""
    asked = ScoreObject.model_validate_json(content)
    try:
        _score(asked, open_storage(asked.storage), run)
    except RuntimeFailure as error:
        raise RuntimeFailure(f"Inference/{asked.name}: {error}", hint=error.hint) from error


def _score(asked: ScoreObject, storage: Storage, run: Run) -> None:
    inputs = _inputs(asked, storage, run)
    key = f"predictions/{asked.name}/{run_digest(inputs)}"
    done = storage.read_json(f"{key}/{MANIFEST}")
    if done is None:
        done = _score_rows(inputs, asked, storage, key, run)
    else:
        run.report("this version has scored these rows: nothing to score")
    latest = {
        "path": f"{key}/{PREDICTIONS_FILE}", "rows": done["rows"], "version": asked.version.version, "fingerprint": asked.version.fingerprint,
        "input": inputs.input.digest,
    }  # fmt: skip
    storage.write_json(f"predictions/{asked.name}/{LATEST_FILE}", latest)
    run.report(f"{storage.where(key)} is the latest")


def _inputs(asked: ScoreObject, storage: Storage, run: Run) -> BatchPredictionsInputs:
    """What the same run is on a laptop; keys and time of the rows stand in their own manifest."""
    content_digest = await_current(storage, asked.input, run.report, definition=asked.input_digest).content_digest
    definition = read_manifest(storage, asked.input, content_digest)["definition"]
    model, _, alias = asked.model.partition("@")
    path = layout.dataset(run.home, asked.input, content_digest) / DATA
    rows = PreparedData(name=asked.input, digest=content_digest, path=str(path), keys=definition.get("keys", []), event_time=definition.get("eventTime"))
    if asked.join is not None:
        rows = _with_features(rows, asked, asked.join, storage, run)
    version = asked.version.model_copy(update={"artifact": str(layout.artifact(run.home, model, asked.version.fingerprint))})
    return BatchPredictionsInputs(name=asked.name, home=run.home, model=model, alias=alias, version=version, input=rows, columns=asked.columns, cpu=run.threads)


def _with_features(rows: PreparedData, asked: ScoreObject, join: FeatureJoin, storage: Storage, run: Run) -> PreparedData:
    lay_code(asked.code, run.workspace)
    made = join_features(join, _joined_name(asked), rows, storage, run)
    return rows.model_copy(update={"digest": made.content_digest, "path": made.path})


def _joined_name(asked: ScoreObject) -> str:
    return f"inference.{asked.name}"


def _score_rows(inputs: BatchPredictionsInputs, asked: ScoreObject, storage: Storage, key: str, run: Run) -> dict[str, Any]:
    """Returns the manifest of the predictions."""
    folder = (_spread if run.spread else _score_here)(inputs, asked, storage, run)
    manifest = {**json.loads((folder / MANIFEST).read_bytes()), "version": asked.version.wire()}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))
    storage.send_folder(folder, key)
    return manifest


def _score_here(inputs: BatchPredictionsInputs, asked: ScoreObject, storage: Storage, run: Run) -> Path:
    fetch_version(asked.version, run.workspace / inputs.version.artifact)
    if asked.join is None:
        fetch_rows(storage, asked.input, inputs.input.digest, (run.workspace / inputs.input.path).parent)
    return (run.workspace / score_dataset(inputs, run.workspace, run.report).path).parent


def _spread(inputs: BatchPredictionsInputs, asked: ScoreObject, storage: Storage, run: Run) -> Path:
    from mlx_runtime.cluster.spread import Spread, spread  # Spark is in the image of Spark applications only

    digest = inputs.input.digest
    key = content_key(asked.input, digest) if asked.join is None else joined_key(_joined_name(asked), digest)
    told = Spread(inputs=inputs, version=asked.version, storage=asked.storage, rows_key=key)
    folder = run.workspace / layout.predictions(inputs.home, inputs.name, run_digest(inputs))
    spread(told, folder, run.report)
    return folder
