"""Where a source's files are, and how zipped and gzipped ones are unpacked.

A file source and a workspace enter, paths leave. A package is found, never imported: importing runs its code.
"""

import gzip
import importlib.machinery
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlx_runtime.prepare.errors import PrepareError
from mlx_specs.dataset import FileSource


@dataclass(frozen=True)
class Plain:
    """An unpacked file, and what to call it in messages."""

    path: Path
    name: str


def locate(source: FileSource, workspace: Path) -> list[Path]:
    """The files of a source, sorted by path; at least one."""
    root = workspace if source.package is None else package_folder(source.package)
    where = "the workspace" if source.package is None else f"package {source.package}"
    path = root / source.path
    if path.is_file():
        return [path]
    if not any(character in source.path for character in "*?["):
        raise PrepareError(f"file '{source.path}' is not in {where}", hint=f"looked at {path}")
    absolute = Path(source.path).is_absolute()
    found = sorted(Path("/").glob(source.path.lstrip("/")) if absolute else root.glob(source.path))
    files = [path for path in found if path.is_file()]
    if not files:
        raise PrepareError(f"no file matches '{source.path}' in {where}", hint=f"looked below {root}")
    return files


def package_folder(package: str) -> Path:
    """The folder of an installed package, without running any of its code."""
    top, *rest = package.split(".")
    spec = importlib.machinery.PathFinder.find_spec(top, sys.path)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise PrepareError(f"package '{package}' is not installed", hint=f"install it in this environment: pip install {top}")
    return Path(folders[0]).joinpath(*rest)


def unpacked(paths: Sequence[Path], folder: Path) -> Iterator[Plain]:
    """Each file as it is, or what is inside, unpacked into ``folder``."""
    for number, path in enumerate(paths):
        if path.suffix == ".zip":
            yield from unzipped(path, folder / f"unpacked-{number}")
        elif path.suffix == ".gz":
            yield ungzipped(path, folder / f"unpacked-{number}")
        else:
            yield Plain(path, path.name)


def unzipped(path: Path, folder: Path) -> Iterator[Plain]:
    """All members of a zip, sorted by name; checksums are verified while unpacking."""
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(info.filename for info in archive.infolist() if not info.is_dir() and not hidden(info.filename))
            if not members:
                raise PrepareError(f"{path.name} is an empty zip file")
            for number, member in enumerate(members):
                plain = folder / str(number)
                with archive.open(member) as packed, plain.open("wb") as out:
                    shutil.copyfileobj(packed, out, 1 << 20)
                yield Plain(plain, f"{path.name}:{member}")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PrepareError(f"{path.name} is no readable zip file: {error}", hint="fetch it again, or unpack it and name the file inside") from error


def hidden(member: str) -> bool:
    """What archivers add beside the data."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)


def ungzipped(path: Path, plain: Path) -> Plain:
    try:
        with gzip.open(path) as packed, plain.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise PrepareError(f"{path.name} is no readable gzip file: {error}", hint="fetch it again, or unpack it") from error
    return Plain(plain, path.name)
