"""What is disturbed: updates of the engine's small programs and of workspaces, each with the state before it and the end that counts."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from faults import Watch, faulty, watch_state, watch_steps
from forks import in_child


class Scene(Protocol):
    @property
    def name(self) -> str: ...

    def prepare(self, root: Path) -> None:
        """Makes what stands before the update; the root is empty or what an earlier point left."""
        ...

    def disturb(self, root: Path, watch: Watch) -> None:
        """The update, its calls and writes passing the watch. Runs in a child."""
        ...

    def mend(self, root: Path) -> int:
        """One apply, and a plan that has to be empty: 0 when both went well."""
        ...

    def end(self, root: Path) -> Any:
        """All that has to be as in an undisturbed run."""
        ...


GOES_WITH = {"relations": ("b.json",)}
"""Declared as deleted with another. The test provider leaves it where only the other is deleted; a later run deletes it by itself."""


@dataclass(frozen=True)
class ProgramScene:
    """One of the programs that both hosts are compared on: applied first, changed, or destroyed."""

    program: str
    update: str
    """``first``, ``changed``, ``destroyed`` or ``refreshed``"""

    @property
    def name(self) -> str:
        return f"program {self.program}, {self.update}"

    def prepare(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        before = root.with_name(f"{root.name}-{self.program}")
        if self.update != "first" and not before.exists():
            root.mkdir()
            _must(in_child(lambda: self._host(root).up(self._declared(root, changed=False), _quiet) and 0, root / "log"), root)
            root.rename(before)
        shutil.copytree(before, root) if self.update != "first" else root.mkdir()

    def disturb(self, root: Path, watch: Watch) -> None:
        watch_state(watch, root / "state")
        host = self._host(root, watch)
        match self.update:
            case "destroyed":
                host.destroy(_quiet)
            case "refreshed":
                host.refresh(_quiet)
            case _:
                host.up(self._declared(root), _quiet)

    def mend(self, root: Path) -> int:
        def work() -> int:
            self._host(root).up(self._declared(root), _quiet)
            return len(self._host(root).preview(self._declared(root), _quiet).changes)

        return in_child(work, root / "log")

    def end(self, root: Path) -> Any:
        there = [path for path in sorted((root / "files").glob("*.json")) if path.name not in GOES_WITH.get(self.program, ())]
        files = {path.name: json.loads(path.read_text()) for path in there}
        return {"resources": _recorded(root / "state/.pulumi/stacks/project/dev.json"), "files": files}

    def _declared(self, root: Path, *, changed: bool | None = None) -> Callable[[], Any]:
        from differential_programs import PROGRAMS

        second = self.update == "changed" if changed is None else changed
        declare = PROGRAMS[self.program][second]
        return lambda: declare(str(root / "files"))

    def _host(self, root: Path, watch: Watch | None = None) -> Any:
        from file_provider import FileProvider

        from mlx_engine.embedded import embedded_host
        from mlx_engine.host import Options, Stack

        provider = faulty(FileProvider, watch) if watch else FileProvider
        return embedded_host(Stack("project", "dev", root, root / "state"), Options(parallel=1), {"files": provider})


def _recorded(checkpoint: Path) -> list[dict[str, Any]]:
    latest = json.loads(checkpoint.read_text())["checkpoint"]["latest"]
    assert not latest.get("pending_operations"), latest["pending_operations"]
    kept = [item for item in latest.get("resources", []) if not item["type"].startswith("pulumi:providers:")]
    plain = [{key: _unsealed(value) for key, value in item.items() if key not in ("created", "modified", "provider")} for item in kept]
    return sorted(plain, key=lambda item: item["urn"])


def _unsealed(value: Any) -> Any:
    """Without ciphertext: every state has a salt of its own."""
    if isinstance(value, dict):
        return {key: "sealed" if key == "ciphertext" else _unsealed(item) for key, item in value.items()}
    return [_unsealed(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class WorkspaceScene:
    """An update of a workspace through our provider. ``prepared`` holds .mlx as it stands before, kept apart and copied back."""

    workspace: str
    update: str
    """``first``, ``changed``, ``destroyed``, ``refreshed`` or ``trained``"""
    project: str
    prepared: Path | None
    specs: str | None
    """The text of specs/objects.yaml for this update; None leaves what is there."""

    @property
    def name(self) -> str:
        return f"{self.workspace}, {self.update}"

    def prepare(self, root: Path) -> None:
        stop_servers(root)
        shutil.rmtree(root / ".mlx", ignore_errors=True)
        if self.prepared:
            shutil.copytree(self.prepared, root / ".mlx", symlinks=True)
        if self.specs is not None:
            (root / "specs/objects.yaml").write_text(self.specs)

    def disturb(self, root: Path, watch: Watch) -> None:
        from mlx_engine.embedded import embedded_host
        from mlx_engine.host import Options
        from mlx_provider.provider import MlxProvider
        from mlx_stacks.program import program
        from mlx_stacks.workspace import open_workspace

        watch_state(watch, root / ".mlx/state")
        opened = open_workspace(root)
        served = faulty(MlxProvider, watch)
        host = embedded_host(opened.stack, Options(parallel=1), {"mlx": lambda log: served(opened.root, log)})
        match self.update:
            case "destroyed":
                host.destroy(_quiet)
            case "refreshed":
                host.refresh(_quiet)
            case _:
                host.up(program(opened.graph, opened.environment, {}, None), watch_steps(watch))

    def mend(self, root: Path) -> int:
        def work() -> int:
            from mlx_cli.main import run

            return run(["-C", str(root), "apply", "--yes"]) or run(["-C", str(root), "plan", "--detailed-exitcode"])

        return in_child(work, root / "log")

    def end(self, root: Path) -> Any:
        from end_state import end_state

        return {**end_state(root, self.project), "servers": sorted(name for _, name in servers(root))}


def servers(root: Path) -> list[tuple[int, str]]:
    """The processes that serve an endpoint of this workspace, and which."""
    home = str(root / ".mlx/local/endpoints")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        found += [(int(folder.name), word) for word in words if word.startswith(home)][:1]
    return found


def stop_servers(root: Path) -> None:
    """Those of this workspace only."""
    for pid, _ in servers(root):
        os.kill(pid, 9)


def warm(root: Path) -> None:
    """Runs one update here, so that children begin with all that an update imports."""
    scene = ProgramScene("plain", "first")
    root.mkdir()
    host = scene._host(root)
    host.up(scene._declared(root), _quiet)
    host.destroy(_quiet)


def _quiet(_event: Any) -> None:
    return


def _must(code: int, root: Path) -> None:
    assert code == 0, (root / "log").read_text()
