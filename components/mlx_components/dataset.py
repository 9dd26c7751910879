"""Dataset: prepared rows, addressed by their content."""

from collections.abc import Mapping
from typing import Any

from mlx_components.resource import MlxComponent, MlxResource, about
from mlx_specs.base import plain
from mlx_specs.dataset import Dataset, DatasetSpec
from mlx_specs.dataset_resources import ColumnAbout, DatasetAbout, PreparedDatasetInputs

OUTPUTS = ("sourceDigest", "contentDigest", "path", "rows", "rejected", "columns", "warnings")
SPEAKS_OF_ROWS = ("source", "inputs", "keys", "eventTime", "prepare", "checks")


class DatasetComponent(MlxComponent):
    """``prepared`` is what a model or a batch run needs to read the rows."""

    def __init__(self, dataset: Dataset, *, home: str, inputs: Mapping[str, "DatasetComponent"], protect: bool = False) -> None:
        super().__init__(dataset, "Dataset")
        declared = PreparedDatasetInputs(name=dataset.metadata.name, home=home, definition=definition(dataset.spec), about=about_rows(dataset)).wire()
        digests = {name: component.digest for name, component in inputs.items()}
        self.resource = MlxResource(
            "PreparedDataset", dataset.metadata.name, {**declared, "inputs": digests, "sourceDigest": None}, OUTPUTS, self.child(protect=protect)
        )
        self.digest = self.resource.output("contentDigest")
        self.prepared: dict[str, Any] = {
            "name": dataset.metadata.name,
            "digest": self.digest,
            "path": self.resource.output("path"),
            "keys": list(dataset.spec.keys),
            "eventTime": dataset.spec.event_time,
        }
        self.register_outputs({"rows": self.resource.output("rows"), "contentDigest": self.digest})


def definition(spec: DatasetSpec) -> dict[str, Any]:
    """What of a dataset's spec speaks of its rows: not the schedule, nor what columns mean and when they are known."""
    written = plain(spec)
    columns = {name: {key: value for key, value in column.items() if key in ("type", "nullable")} for name, column in written.get("columns", {}).items()}
    return {**{key: written[key] for key in SPEAKS_OF_ROWS if key in written}, "columns": columns}


def about_rows(dataset: Dataset) -> DatasetAbout:
    """What is said of the rows and their columns; columns of which nothing is said are left out."""
    spec, said_of_all = dataset.spec, about(dataset)
    said = {name: ColumnAbout(description=column.description, available_at=column.available_at or "") for name, column in spec.columns.items()}
    columns = {name: column for name, column in said.items() if column != ColumnAbout()}
    return DatasetAbout(**dict(said_of_all), timeline=list(spec.timeline), columns=columns)
