"""The files of a folder as documents: YAML with positions, and Python files that build the same objects.

A folder of the workspace enters; documents and diagnostics leave. Nothing is checked here beyond what reading needs.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic
from mlx_specs.documents import Document
from mlx_specs.python_reader import read_python
from mlx_specs.yaml_reader import read

MAX_BYTES = 10_000_000
YAML_ENDINGS = (".yaml", ".yml")
WRITE_AN_OBJECT = "write an object (apiVersion, kind, metadata, spec)"
NOT_SPECS = frozenset({"schema", "__pycache__", "node_modules"})


@dataclass
class Reading:
    """What a folder holds; ``complete`` is False where something could not be read as a document at all."""

    documents: list[Document] = field(default_factory=list[Document])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])
    complete: bool = True


def read_specs(workspace: Path) -> Reading:
    """specs/**/*.yaml and *.py; not Python packages (folders with __init__.py), schema/ and hidden folders."""
    reading = Reading()
    for path in _files(workspace / "specs"):
        if path.suffix in YAML_ENDINGS:
            _read_yaml(workspace, path, reading)
        elif path.suffix == ".py":
            _read_python(workspace, path, reading)
    return reading


def read_environments(workspace: Path) -> Reading:
    """stacks/*.yaml, without the lock files of releases."""
    reading = Reading()
    folder = workspace / "stacks"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix in YAML_ENDINGS and not path.stem.endswith(".lock") and not path.is_dir():
            _read_yaml(workspace, path, reading)
    return reading


def _files(folder: Path) -> Iterator[Path]:
    for base, folders, names in os.walk(folder):
        if base != str(folder) and "__init__.py" in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in NOT_SPECS and not name.startswith("."))
        yield from (Path(base, name) for name in sorted(names) if not name.startswith("."))


def _read_yaml(workspace: Path, path: Path, reading: Reading) -> None:
    file = _text(workspace, path, reading)
    if file is None:
        return
    parsed, problems = read(file)
    if not parsed and not problems:
        _refuse_without_object(reading, file)
    reading.diagnostics += problems
    reading.complete &= not any(problem.code in ("yaml", "anchors") for problem in problems)
    reading.documents += [Document(file, each.value, each.node, each.offset) for each in parsed]


def _read_python(workspace: Path, path: Path, reading: Reading) -> None:
    file = _text(workspace, path, reading)
    if file is None:
        return
    if all(line.lstrip()[:1] in ("", "#") for line in file.lines):
        _refuse_without_object(reading, file)
    documents, problems = read_python(file, path)
    reading.diagnostics += problems
    reading.complete &= not problems
    reading.documents += documents


def _text(workspace: Path, path: Path, reading: Reading) -> File | None:
    """The file with its text; None, and a diagnostic, where it has none."""
    file = File(path.relative_to(workspace).as_posix())
    try:
        if path.stat().st_size > MAX_BYTES:
            return _refuse(
                reading, file, f"the file is larger than {MAX_BYTES // 1_000_000} MB", "specs are small; data belongs beside them, in files of its own"
            )
        content = path.read_bytes()
    except OSError as error:
        return _refuse(reading, file, f"the file cannot be read: {error.strerror}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _refuse(reading, file, f"the file is not UTF-8: byte 0x{content[error.start]:02x} on line {line}", "save it as UTF-8")
    if not text.strip():
        return _refuse(reading, file, "the file is empty", f"{WRITE_AN_OBJECT}, or delete the file")
    return File(file.path, text)


def _refuse_without_object(reading: Reading, file: File) -> None:
    """What is commented out would be destroyed by the next apply: nobody should learn that from the plan."""
    _refuse(reading, file, "the file has no object: nothing but comments", f"{WRITE_AN_OBJECT}, or delete the file")


def _refuse(reading: Reading, file: File, message: str, hint: str = "") -> None:
    reading.complete = False
    reading.diagnostics.append(diagnostic(Place(file), "file", message, hint))
