"""``stacks/ENV.lock.yaml``: read with positions, written small and sorted.

The workspace and an environment's name enter; a ``Lock`` leaves, or diagnostics with file, line and column.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from mlx_specs.base import plain
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic
from mlx_specs.documents import Document
from mlx_specs.release import LOCK_KIND, Lock
from mlx_specs.words import diagnose
from mlx_specs.yaml_reader import plain_scalar, read

PUT_BACK = "put the file back (git checkout), or promote again"
HEADER = """\
# yaml-language-server: $schema=../specs/schema/ReleaseLock.json
# The release that environment {environment} runs, and nothing else. Written by `mlx promote` and `mlx rollback`: commit it.
"""


def lock_path(environment: str) -> str:
    """Relative to the workspace."""
    return f"stacks/{environment}.lock.yaml"


def read_lock(workspace: Path, environment: str) -> Lock | list[Diagnostic] | None:
    """The lock, or what is wrong with it; None where nothing was ever released to the environment."""
    file = File(lock_path(environment))
    try:
        text = (workspace / file.path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        return [diagnostic(Place(file), "file", f"the lock cannot be read: {error}", PUT_BACK)]
    file = File(file.path, text)
    parsed, problems = read(file)
    if problems:
        return problems
    if len(parsed) != 1:
        return [diagnostic(Place(file), "file", "this is no release lock", PUT_BACK)]
    return _checked(Document(file, parsed[0].value, parsed[0].node, parsed[0].offset))


def write_lock(workspace: Path, environment: str, lock: Lock) -> Path:
    """Writes the file whole or not at all."""
    path = workspace / lock_path(environment)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(lock_text(environment, lock))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return path


def lock_text(environment: str, lock: Lock) -> str:
    """The file's text: what it is first, then everything sorted."""
    value = plain(lock)
    first = {key: value.pop(key) for key in ("apiVersion", "kind", "release")}
    return HEADER.format(environment=environment) + "\n".join([*_lines(first), *_lines(dict(sorted(value.items())))]) + "\n"


def _checked(document: Document) -> Lock | list[Diagnostic]:
    try:
        lock = Lock.model_validate(document.value, by_alias=True, by_name=False)
    except ValidationError as error:
        return diagnose(error, Lock, document)
    if lock.pins.digest != lock.release:
        return [document.problem(("release",), "lock", "the pins below are not those of this release: the file was edited", PUT_BACK)]
    return lock


def _lines(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(dict(sorted(cast("dict[str, Any]", item).items())), f"{indent}  ")
        elif isinstance(item, list) and item:
            yield f"{indent}{_scalar(key)}:"
            yield from (f"{indent}  - {_scalar(each)}" for each in cast("list[Any]", item))
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(item)}"


def _scalar(value: Any) -> str:
    """Plain where the reader takes it for the same text; a digest of figures only must not become a number."""
    if isinstance(value, str) and value.replace("-", "").replace("_", "").replace("/", "").isalnum() and isinstance(plain_scalar(value), str):
        return value
    return json.dumps(value, ensure_ascii=False)


__all__ = ["LOCK_KIND", "lock_path", "lock_text", "read_lock", "write_lock"]
