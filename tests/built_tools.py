"""Programs that tests run against and no package brings: made once from the versions pinned below ``tools/``, kept in the user's cache.

A folder in the cache is named after the hash of what it was made from; one process makes it while the others wait.
"""

import ctypes
import fcntl
import hashlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TOOLS = Path(__file__).parents[1] / "tools"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlx-tools"
Tell = Callable[[str], None]
"""Hears of what takes long."""


class NoTool(Exception):
    """What is needed to make a program is not on this machine."""


def built(tool: str, programs: Mapping[str, str], tell: Tell, *, flags: Sequence[str] = (), also: Callable[[Path], None] | None = None) -> Path:
    """The folder with the programs of a Go module, by name and package, and what ``also`` puts there. Raises ``NoTool``."""

    def build(folder: Path) -> None:
        for at, (program, package) in enumerate(programs.items(), 1):
            if len(programs) > 1:
                tell(f"building {program} ({at} of {len(programs)})")
            _run(["go", "build", "-buildvcs=false", *flags, "-o", str(folder / program), package], TOOLS / tool)
        if also:
            also(folder)

    return _kept(tool, "go", [TOOLS / tool / "go.mod", TOOLS / tool / "go.sum"], " ".join([*programs.values(), *flags]), build, tell)


def installed(tool: str, tell: Tell) -> Path:
    """The folder of an npm package. Raises ``NoTool``."""
    pins = [TOOLS / tool / "package.json", TOOLS / tool / "package-lock.json"]

    def install(folder: Path) -> None:
        for pin in pins:
            shutil.copy(pin, folder)
        _run(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"], folder)

    return _kept(tool, "npm", pins, "", install, tell)


def resolved(tool: str, tell: Tell) -> Path:
    """The folder of the jars that a pom wants, each as ``jars.sha256`` beside it has it. Raises ``NoTool``, also where nothing can run them."""
    pom, table = pins = [TOOLS / tool / "pom.xml", TOOLS / tool / "jars.sha256"]
    if shutil.which("java") is None:
        raise NoTool(f"{tool} needs java on PATH")

    def resolve(folder: Path) -> None:
        _run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"], folder)
        check_jars(folder, table.read_text())

    return _kept(tool, "mvn", pins, "", resolve, tell)


def check_jars(folder: Path, table: str) -> None:
    """Raises where a folder's jars are not those of a table that sha256sum wrote: Maven itself believes the repository."""
    pinned = {name: digest for digest, name in (line.split() for line in table.splitlines())}
    there = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    differing = sorted({name for name, _ in pinned.items() ^ there.items()})
    if differing:
        raise RuntimeError(f"not the jars that are pinned: {', '.join(differing)}")


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def end_with_parent() -> None:
    """For a child: whatever ends the tests ends it, too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _kept(tool: str, needs: str, pins: Sequence[Path], more: str, make: Callable[[Path], None], tell: Tell) -> Path:
    made_from = b"".join(pin.read_bytes() for pin in pins) + f"{more} {sys.platform} {platform.machine()}".encode()
    kept = CACHE / f"{tool}-{hashlib.sha256(made_from).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{tool}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            if shutil.which(needs) is None:
                raise NoTool(f"{tool} needs {needs} on PATH, once")
            fresh = kept.with_suffix(".making")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            tell(f"building {tool} into {kept} (once)")
            make(fresh)
            fresh.rename(kept)
    return kept


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
