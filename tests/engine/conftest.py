"""A workspace with a folder that the test provider writes to, and a host on it."""

import json
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from mlx_engine.embedded import embedded_host
from mlx_engine.host import Event, Host, Options, Stack, Step

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # tests are imported by file: what they share stands beside them

from file_program import File  # noqa: E402
from file_provider import FileProvider  # noqa: E402


@dataclass
class Workspace:
    """One stack, the folder of its files, and what was heard of its runs."""

    root: Path
    stack: Stack
    events: list[Event] = field(default_factory=list)

    @property
    def folder(self) -> str:
        return str(self.root / "files")

    def host(self, **options: Any) -> Host:
        return embedded_host(self.stack, Options(**options), {"files": FileProvider})

    def with_stack(self, **changes: Any) -> "Workspace":
        return Workspace(self.root, replace(self.stack, **changes))

    def declare(self, opts: pulumi.ResourceOptions | None = None, **inputs: Any) -> None:
        """A program, or a part of one: the file ``a``."""
        File("a", opts=opts, folder=self.folder, **inputs)

    def heard(self, event: Event) -> None:
        self.events.append(event)

    def files(self) -> Mapping[str, Any]:
        return {path.stem: json.loads(path.read_text())["content"] for path in sorted(Path(self.folder).glob("*.json"))}

    def log(self) -> list[str]:
        path = Path(self.folder) / "log"
        return path.read_text().splitlines() if path.exists() else []

    def forget_log(self) -> None:
        (Path(self.folder) / "log").unlink(missing_ok=True)

    def resources(self) -> list[dict[str, Any]]:
        return list(self.host().export_state()["deployment"].get("resources", []))

    def resource(self, name: str) -> dict[str, Any]:
        return next(entry for entry in self.resources() if entry["urn"].endswith(f"::{name}"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, Stack("project", "dev", tmp_path, tmp_path / ".mlx" / "state"))


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the test provider as the executable ``pulumi-resource-files``."""
    folder = tmp_path_factory.mktemp("plugins")
    script = folder / "pulumi-resource-files"
    lines = [
        f"#!{sys.executable}",
        "import sys",
        f"sys.path[:0] = {[str(HERE), *[path for path in sys.path if path.endswith('engine')]]!r}",
        "from file_provider import FileProvider",
        "from mlx_engine.serve import serve",
        "serve(FileProvider, 'files', '1.0.0')",
    ]
    script.write_text("\n".join(lines) + "\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.fixture
def ops() -> Callable[[Sequence[Step]], list[str]]:
    """``create a`` for each step on a file; components, the stack and providers left aside."""
    return lambda steps: [f"{step.op} {step.name}" for step in steps if step.type == "files:index:File"]
