"""A packaged model for other places: the ONNX graph, what goes in and comes out in words, an example, and the digests of all three.

In: an artifact and its digest. Out: DIR/model.onnx, README.md, example.json, SHA256SUMS, written whole or not at all. Whoever has
onnxruntime and numpy runs it; nothing of ours is needed there.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlx_runtime.artifact import verify
from mlx_runtime.columns import Columns, array_of
from mlx_runtime.engines.onnx import load_onnx
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.export_readme import Port, readme
from mlx_specs.artifact import ModelFile

GRAPH, README, EXAMPLE, SUMS = "model.onnx", "README.md", "example.json", "SHA256SUMS"
FILES = (GRAPH, README, EXAMPLE)
NATIVE_HINTS = {
    "package: native": "write package: auto in the Model and apply: it is packaged again, and nothing is trained",
    "categorical splits": "leave out categorical_features: the strings become codes, which convert",
    "": "the reason says what does not convert; without it, or with another algorithm, package: onnx fails until it does",
}
"""What would make a native model one that can be exported, by words of the reason."""


class ExportError(RuntimeFailure):
    """The model cannot be exported, or not to this folder."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    digest: str
    """sha256 of SHA256SUMS."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def export_onnx(artifact: Path, digest: str, version: str, folder: Path) -> Exported:
    """Writes the folder; an earlier export there is replaced, anything else is left alone (``ExportError``)."""
    model = verify(artifact, digest)
    if model.engine != "onnx":
        raise ExportError(f"model '{model.model}' version {version} is not ONNX: {model.reason}", hint=_native_hint(model.reason))
    _refuse_what_is_not_ours(folder)
    engine = load_onnx(artifact, model, 1)
    feeds = engine.feeds(_columns(model))
    inputs, outputs = _ports(engine.session.get_inputs()), _ports(engine.session.get_outputs())
    results = dict(zip((port.name for port in outputs), engine.session.run(None, feeds), strict=True))
    example = {"inputs": _plain(inputs, feeds), "outputs": _plain(outputs, results)}
    return _commit(folder, artifact / model.engine_file, readme(model, version, inputs, outputs), example, inputs, outputs)


def _native_hint(reason: str) -> str:
    return next(hint for words, hint in NATIVE_HINTS.items() if words in reason)


def _refuse_what_is_not_ours(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not _is_export(folder):
        raise ExportError(f"{folder} is there and holds something else", hint="name a folder that is new, empty, or an earlier export")


def _is_export(folder: Path) -> bool:
    return folder.is_dir() and {path.name for path in folder.iterdir()} == {*FILES, SUMS}


def _columns(model: ModelFile) -> Columns:
    """The artifact's example as the scorer would read it."""
    return {tensor.name: array_of([_moment(value, tensor.type) for value in model.example[tensor.name]], tensor.type) for tensor in model.inputs}


def _moment(value: Any, kind: str) -> Any:
    from datetime import date, datetime

    if value is None or kind not in ("timestamp", "date"):
        return value
    return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)


def _ports(of: Any) -> tuple[Port, ...]:
    return tuple(Port(each.name, each.type, tuple("rows" if not isinstance(size, int) else size for size in each.shape)) for each in of)


def _plain(ports: tuple[Port, ...], values: dict[str, NDArray]) -> dict[str, Any]:
    return {port.name: {"type": port.type, "shape": list(values[port.name].shape), "data": _json(values[port.name])} for port in ports}


def _json(values: NDArray) -> Any:
    """Nested lists; JSON has no NaN, so null stands for it."""
    if values.dtype.kind != "f":
        return values.tolist()
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return plain.tolist()


def _commit(folder: Path, graph: Path, text: str, example: dict[str, Any], inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> Exported:
    """Aside first, then renamed: nobody finds a half."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        shutil.copyfile(graph, part / GRAPH)
        (part / README).write_text(text, encoding="utf-8")
        (part / EXAMPLE).write_text(json.dumps(example, indent=1) + "\n")
        sums = "".join(f"{hashlib.sha256((part / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(FILES))
        (part / SUMS).write_text(sums)
        part.chmod(0o755)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Exported(folder, hashlib.sha256(sums.encode()).hexdigest(), inputs, outputs)
