"""A workspace to prepare datasets in, for real: files in, Parquet out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from mlx_runtime.prepare.dataset import prepare
from mlx_specs.dataset_resources import DatasetAbout, PreparedDatasetInputs, PreparedDatasetOutputs


@dataclass
class Workspace:
    """``prepare`` a spec under a name; datasets prepared before can be its inputs."""

    root: Path
    reports: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def inputs(self, spec: dict[str, Any], name: str = "d") -> PreparedDatasetInputs:
        needed = {one: self.digests[one] for one in spec.get("inputs", ())}
        return PreparedDatasetInputs(name=name, home=".mlx/local", definition=spec, inputs=needed, about=DatasetAbout(owner="data-engineering"))

    def prepare(self, spec: dict[str, Any], name: str = "d", threads: int | None = None) -> PreparedDatasetOutputs:
        self.reports.clear()
        outputs = prepare(self.inputs(spec, name), self.root, self.reports.append, threads=threads)
        self.digests[name] = outputs.content_digest
        return outputs

    def csv(self, content: str, **spec: Any) -> PreparedDatasetOutputs:
        """Prepare a CSV file of this content."""
        self.write("d.csv", content)
        return self.prepare({"source": {"type": "csv", "path": "d.csv"}, **spec})

    def folder(self, outputs: PreparedDatasetOutputs) -> Path:
        return (self.root / outputs.path).parent

    def rows(self, outputs: PreparedDatasetOutputs) -> list[dict[str, Any]]:
        return pyarrow.parquet.read_table(self.root / outputs.path).to_pylist()

    def rejected(self, outputs: PreparedDatasetOutputs) -> list[dict[str, Any]]:
        return pyarrow.parquet.read_table(self.folder(outputs) / "rejected.parquet").to_pylist()

    def manifest(self, outputs: PreparedDatasetOutputs) -> dict[str, Any]:
        return json.loads((self.folder(outputs) / "manifest.json").read_text())


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)
