"""HOME/joined/NAME/CONTENT_DIGEST: data.parquet and manifest.json, written beside its place and renamed, so that it is whole or not there."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow
import pyarrow.parquet

from mlx_features.content import ARROW, BATCH, RowsDigest
from mlx_specs import layout
from mlx_specs.dataset import ColumnType
from mlx_specs.feature_resources import JoinedDatasetInputs, JoinedDatasetOutputs
from mlx_specs.resources import ColumnType as Column

DATA, MANIFEST = "data.parquet", "manifest.json"


@dataclass(frozen=True)
class Joined:
    """Rows with features, to be written."""

    inputs: JoinedDatasetInputs
    types: Mapping[str, ColumnType]
    table: pyarrow.Table
    coverage: Mapping[str, float]


def write_joined(joined: Joined, workspace: Path) -> JoinedDatasetOutputs:
    """Write the rows under the digest of their content; the same content that is there already stays."""
    inputs = joined.inputs
    with _workbench((workspace / layout.joined(inputs.home, inputs.name, "content")).parent) as made:
        digest = _write(joined, made / DATA)
        folder = layout.joined(inputs.home, inputs.name, digest)
        _commit(made, _manifest(joined, digest), workspace / folder)
    return JoinedDatasetOutputs(
        **dict(inputs),
        content_digest=digest,
        path=str(folder / DATA),
        rows=joined.table.num_rows,
        columns=[Column(name=name, type=type) for name, type in joined.types.items()],
        coverage=dict(joined.coverage),
    )


@contextmanager
def _workbench(consumer: Path) -> Iterator[Path]:
    """A temporary folder beside the final one, for one join at a time; what a kill left is removed."""
    consumer.mkdir(parents=True, exist_ok=True)
    with (consumer / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        for left in consumer.glob(".tmp-*"):
            shutil.rmtree(left)
        made = consumer / f".tmp-{uuid4().hex}"
        made.mkdir()
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _write(joined: Joined, path: Path) -> str:
    schema = pyarrow.schema([(name, ARROW[type]) for name, type in joined.types.items()])
    table, content = joined.table.cast(schema), RowsDigest(joined.types)
    content.update(table)
    pyarrow.parquet.write_table(table, path, compression="zstd", row_group_size=BATCH)
    return content.hex()


def _commit(made: Path, manifest: Mapping[str, Any], final: Path) -> None:
    facts = {DATA: _facts(made / DATA)}
    (made / MANIFEST).write_text(json.dumps({**manifest, "files": facts}, indent=2, sort_keys=True) + "\n")
    if (final / DATA).is_file() and _facts(final / DATA) == facts[DATA]:
        (made / MANIFEST).replace(final / MANIFEST)
        return
    if final.exists():
        shutil.rmtree(final)
    made.replace(final)


def _manifest(joined: Joined, digest: str) -> dict[str, Any]:
    inputs = joined.inputs
    return {
        "schemaVersion": 1,
        "consumer": inputs.name,
        "about": inputs.about.wire(),
        "contentDigest": digest,
        "store": inputs.store,
        "definitions": inputs.definitions.wire(),
        "codeDigest": inputs.code_digest,
        "data": inputs.data.wire(),
        "sources": {name: source.digest for name, source in inputs.sources.items()},
        "columns": [{"name": name, "type": type} for name, type in joined.types.items()],
        "rows": joined.table.num_rows,
        "coverage": dict(joined.coverage),
    }


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": path.stat().st_size}
