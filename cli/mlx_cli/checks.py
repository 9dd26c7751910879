"""What ``mlx doctor`` looks at, one function a check; each reads only, and none raises."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from mlx_specs.diagnostics import plural

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace

GIB = 1 << 30
ENOUGH_DISK = 2 * GIB
"""Bytes for the flights' data, runs and models, several times over."""
PULUMI_FOR = "`host: pulumi` and by clusters of provider aks, eks or gke"
NAME = re.compile(r"^[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def examine(folder: Path, environment: str | None) -> list[Check]:
    """All checks, in the order in which a newcomer would mend them."""
    return [python(), packages(), disk(folder), ports(), pulumi_cli(), *workspace(folder, environment)]


def python() -> Check:
    """The interpreter that runs mlx."""
    return Check("python", (3, 11) <= sys.version_info < (3, 13), f"{sys.version.split()[0]} at {sys.executable}", "mlx needs Python 3.11 or 3.12")


def packages() -> Check:
    """What the extra ``local`` asks for is installed."""
    wanted = [line for line in metadata.requires("mlx-iac") or () if "extra ==" not in line or "extra == 'local'" in line or 'extra == "local"' in line]
    missing = [name for name in map(name_of, wanted) if not installed(name)]
    detail = f"missing: {', '.join(missing)}" if missing else f"all {len(wanted)} are installed"
    return Check("packages", not missing, detail, "install them: pip install 'mlx-iac[local]' (in the repository: make install)")


def name_of(requirement: str) -> str:
    """``psycopg`` of ``psycopg[binary]>=3.2; extra == 'local'``"""
    match = NAME.match(requirement)
    return match[0] if match else requirement


def installed(distribution: str) -> bool:
    """Whether a distribution is installed, without importing it."""
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def disk(folder: Path) -> Check:
    """Room for data, runs and models beside the workspace."""
    free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.is_dir())).free
    return Check("disk", free >= ENOUGH_DISK, f"{free / GIB:.1f} GiB free", f"make room: at least {ENOUGH_DISK / GIB:.0f} GiB")


def ports() -> Check:
    """A server can listen on 127.0.0.1."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return Check("ports", True, f"127.0.0.1 has free ports, such as {server.getsockname()[1]}")
    except OSError as error:
        return Check("ports", False, f"cannot listen on 127.0.0.1: {error.strerror}", "an endpoint needs a free port on 127.0.0.1")


def pulumi_cli() -> Check:
    """The pulumi CLI is wanted only by environments with ``host: pulumi``, and for clusters that mlx makes on a cloud."""
    path = shutil.which("pulumi")
    if path is None:
        return Check("pulumi", True, f"not on PATH; needed only by {PULUMI_FOR}, the embedded host needs nothing")
    try:
        version = subprocess.run([path, "version"], capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Check("pulumi", True, f"{path} does not run ({error}); needed only by {PULUMI_FOR}")
    return Check("pulumi", True, f"{version} at {path}; used only by {PULUMI_FOR}")


def builders() -> Check:
    """In mlx's own repository: what builds the programs that tests run against."""
    skipped = {
        "go": "against Kubernetes, S3 and Google Cloud Storage",
        "npm": "against Azure Blob Storage",
        "mvn": "against Kafka",
        "java": "against Kafka and Spark",
    }
    missing = [f"{program} is not on PATH: tests {tests} are skipped" for program, tests in skipped.items() if shutil.which(program) is None]
    return Check("tests", True, "; ".join(missing) or "go, npm, mvn and java are there: what tests run against is built once, into the user's cache")


def workspace(folder: Path, environment: str | None) -> list[Check]:
    """The workspace, its specs and its state, as far as each can be looked at."""
    from mlx_specs.layout import find_workspace
    from mlx_specs.validate import check

    root = find_workspace(folder)
    if root is None:
        return [Check("workspace", False, f"none at {folder} or above", "make one: mlx init")]
    places = [Check("workspace", True, str(root)), writable(root), *([builders()] if (root / "tools/kubernetes/go.mod").is_file() else [])]
    loaded, diagnostics = check(root, environment)
    errors = [item for item in diagnostics if item.severity == "error"]
    if errors or loaded.graph is None:
        return [*places, Check("specs", False, plural(len(errors), "error"), "mlx validate tells each with its place")]
    return [*places, Check("specs", True, f"{plural(len(loaded.graph.objects), 'object')}, no errors"), *opened(root, environment)]


def opened(root: Path, environment: str | None) -> list[Check]:
    """What the environment needs, and its state."""
    from mlx_cli.cluster_checks import cluster_checks
    from mlx_stacks.workspace import open_workspace

    try:
        workspace = open_workspace(root, environment)
    except Exception as error:  # whatever it is, doctor's work is to say it beside the other checks
        return [Check("state", False, str(error), getattr(error, "hint", ""))]
    return [*cluster_checks(workspace), state(workspace)]


def writable(root: Path, may_write: Callable[[Path], bool] = lambda path: os.access(path, os.W_OK | os.X_OK)) -> Check:
    """mlx can write below .mlx: its folders are looked at from the top, and the first in the way is named."""
    from mlx_specs.layout import STATE

    top = (root / STATE).parent
    places = [top, *sorted(top.glob("*/"))]
    there = [path for path in places if path.exists()] or [root]
    wrong = next((path for path in there if not path.is_dir() or not may_write(path)), None)
    if wrong is None:
        return Check("folder", True, f"{there[0]} can be written")
    what = "cannot be written" if wrong.is_dir() else "is a file, not a folder"
    return Check("folder", False, f"{wrong} {what}", f"make it a folder that {user()} may write: mlx keeps state, data and models there")


def user() -> str:
    """The name of who runs mlx, as the folder's owner would write it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def state(workspace: Workspace) -> Check:
    """The state can be read, and everything that should run does."""
    from mlx_stacks.status import status

    try:
        found = status(workspace)
    except Exception as error:  # whatever it is, doctor's work is to say it beside the other checks
        return Check("state", False, str(error), getattr(error, "hint", ""))
    broken = [item for item in found if item.status in ("Stopped", "Missing", "Incomplete")]
    if all(item.status == "NotApplied" for item in found):
        return Check("state", True, "readable; nothing is applied yet")
    names = ", ".join(f"{item.id} is {item.status}" for item in broken)
    return Check("state", not broken, names or "readable; what should run does", "mlx apply puts it right")
