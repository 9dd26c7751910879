"""Workspaces of users, made by the tests, and the CLI as a user runs it: a process whose streams and exit code are read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LIMIT = 300
"""Seconds after which a verb counts as hanging."""


@dataclass(frozen=True)
class Said:
    """What a verb printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The result of a verb that ran with ``-o json``."""
        return json.loads(self.out)


@dataclass(frozen=True)
class UserWorkspace:
    """A folder with Pulumi.yaml, and `mlx` within it."""

    root: Path

    def mlx(self, *args: str, code: int = 0, env: dict[str, str] | None = None) -> Said:
        """Runs a verb; an exit code other than the one expected fails the test with everything it said."""
        process = subprocess.run(
            self.command(*args), cwd=self.root, capture_output=True, text=True, timeout=LIMIT, env={**os.environ, **(env or {})}, check=False
        )
        said = Said(process.returncode, process.stdout, process.stderr)
        assert said.code == code, f"mlx {' '.join(args)} exited {said.code}, not {code}\n{said.out}\n{said.err}"
        assert "Traceback" not in said.out + said.err, said.out + said.err
        return said

    def command(self, *args: str) -> Sequence[str]:
        """The command line of a verb."""
        return [sys.executable, "-m", "mlx_cli", *args]

    def write(self, path: str, content: str) -> None:
        """Writes a file of the workspace."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replaces a text that stands in a file exactly once."""
        content = (self.root / path).read_text()
        assert content.count(old) == 1, f"{old!r} stands {content.count(old)} times in {path}"
        (self.root / path).write_text(content.replace(old, new))

    def plan(self) -> dict[str, dict[str, Any]]:
        """The objects that would change, by id."""
        return {item["id"]: item for item in self.mlx("plan", "-o", "json").json["objects"] if item["action"] != "same"}

    def status(self) -> dict[str, dict[str, Any]]:
        """Every object's status, by id."""
        return {item["id"]: item for item in self.mlx("status", "-o", "json").json["objects"]}


@contextmanager
def edited(workspace: UserWorkspace, path: str, old: str, new: str) -> Iterator[None]:
    """A text of a file is another for a while."""
    before = (workspace.root / path).read_bytes()  # a CSV file's ends of lines are part of what it is
    workspace.edit(path, old, new)
    try:
        yield
    finally:
        (workspace.root / path).write_bytes(before)


def make_workspace(root: Path, name: str, specs: Sequence[dict[str, Any]], environment: dict[str, Any] | None = None) -> UserWorkspace:
    """A workspace with these objects in specs/objects.yaml and one environment, local."""
    workspace = UserWorkspace(root)
    workspace.write("Pulumi.yaml", f"name: {name}\nruntime: python\nmain: stacks/\n")
    local = {"apiVersion": "mlx/v1", "kind": "Environment", "metadata": {"name": "local"}, "spec": environment or {}}
    workspace.write("stacks/local.yaml", yaml.safe_dump(local, sort_keys=False))
    workspace.write("specs/objects.yaml", yaml.safe_dump_all([{"apiVersion": "mlx/v1", **spec} for spec in specs], sort_keys=False))
    return workspace


Adopt = Callable[[Path], UserWorkspace]
"""``adopt(root)``, as the fixture gives it."""
Make = Callable[..., UserWorkspace]
"""``make(name, specs)``, as the fixture gives it."""
