"""A folder of rendered files: written as they are now, and without those of an earlier time. Nothing that mlx has not written is touched."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mlx_stacks.errors import UserError

LIST = ".mlx-rendered"
"""The sha256 of each file that was written, and its place."""


def write_folder(files: Mapping[str, str], out: Path) -> tuple[str, ...]:
    """Writes them below ``out``; the places of the earlier ones that were removed. Raises ``UserError`` where a file is somebody else's."""
    earlier = _read_list(out)
    for place, text in files.items():
        _refuse_foreign(out / place, text, known=place in earlier)
    try:
        for place, text in files.items():
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            (out / place).write_text(text, encoding="utf-8", newline="\n")
        removed = tuple(place for place in sorted(earlier.keys() - files.keys()) if _removed(out, place, earlier[place]))
        (out / LIST).write_text("".join(f"{_digest(files[place].encode())}  {place}\n" for place in sorted(files)), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"cannot write {error.filename or out}: {error.strerror}", hint="--out takes a folder that can be written") from error
    return removed


def _read_list(out: Path) -> dict[str, str]:
    """By place; a place that leads out of the folder is not ours, whoever wrote it there."""
    path = out / LIST
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = {place: digest for digest, _, place in (line.partition("  ") for line in lines)}
    return {place: digest for place, digest in found.items() if place and not PurePosixPath(place).is_absolute() and ".." not in PurePosixPath(place).parts}


def _refuse_foreign(path: Path, text: str, *, known: bool) -> None:
    if not known and path.exists() and (path.is_dir() or path.read_bytes() != text.encode()):
        raise UserError(f"{path} is there, and mlx has not written it", hint="choose another folder with --out, or move it away")


def _removed(out: Path, place: str, digest: str) -> bool:
    """What somebody has edited since is theirs."""
    path = out / place
    if not path.is_file() or _digest(path.read_bytes()) != digest:
        return False
    path.unlink()
    if path.parent != out and not any(path.parent.iterdir()):
        path.parent.rmdir()
    return True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
