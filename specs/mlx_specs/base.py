"""What all specs share: strict frozen models, metadata, references to other objects, secrets, durations.

``extra="forbid"`` holds everywhere people write: a field that is not known is an error, never ignored.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from mlx_specs.cron import check_cron

API_VERSION = "mlx/v1"

Kind = Literal["Environment", "Cluster", "Dataset", "FeatureStore", "Pipeline", "Model", "Inference", "Monitor", "Notebook"]

NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A DNS label of at most 40 characters: it becomes file, table, process and Kubernetes object names."""

COLUMN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
Column = Annotated[str, StringConstraints(pattern=COLUMN_PATTERN, max_length=128)]
"""A column's name: what SQL accepts without quotes."""

Sql = Annotated[str, StringConstraints(min_length=1)]

IMPORT_PATH_PATTERN = r"^[A-Za-z_][\w.]*[.:][A-Za-z_]\w*$"
ImportPath = Annotated[str, StringConstraints(pattern=IMPORT_PATH_PATTERN)]

ENTRY_PATTERN = r"^[A-Za-z_][\w.]*[:.][A-Za-z_]\w*$"
Entry = Annotated[str, StringConstraints(pattern=ENTRY_PATTERN)]
"""An import path, too; its pattern is spelt otherwise because words are found by it."""

Cron = Annotated[str, AfterValidator(check_cron)]
"""Five fields: minute, hour, day of the month, month, day of the week; in UTC."""

DURATION = re.compile(r"^(\d+)(s|m|h|d|w)$")
DURATION_PATTERN = r"^[1-9]\d{0,8}(s|m|h|d|w)$"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN)]
"""A whole number and a unit: ``30s``, ``5m``, ``6h``, ``1d``, ``2w``."""

QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)?$")


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


QUANTITY_SCHEMA = {"anyOf": [{"type": "string", "pattern": rf"{QUANTITY.pattern}|\$\{{"}, {"type": "number", "minimum": 0}]}
Quantity = Annotated[str, StringConstraints(pattern=QUANTITY.pattern), BeforeValidator(_as_text), WithJsonSchema(QUANTITY_SCHEMA)]
"""A Kubernetes quantity: ``4Gi``, ``512Mi``, ``2``."""


def seconds(duration: str) -> int:
    """``"6h"`` -> 21600. The argument has been validated as a Duration."""
    match = DURATION.match(duration)
    assert match is not None, duration
    return int(match[1]) * SECONDS[match[2]]


class Strict(BaseModel):
    """Base of everything that people write: camelCase in YAML, snake_case in Python, frozen, nothing extra.

    Strict: ``true`` is no number, ``"6"`` is not 6 and 6.0 is not 6, so that what is written is what is meant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True)


def plain(model: BaseModel) -> dict[str, Any]:
    """The JSON value of a spec as people write it: camelCase, without what was left at its default of None."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class Metadata(Strict):
    """Who an object is."""

    name: Name = Field(description="The object's name, unique within its kind: lower case letters, digits and '-', at most 40 characters.")
    description: str = Field(default="", description="What this object is for, in a sentence; shown in status, in MLflow and in the endpoint's metadata.")
    owner: str = Field(default="", description="The team or person who answers for this object.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels for searching and grouping; they become MLflow tags and Kubernetes labels.")


class Object(Strict):
    """One object in a file: apiVersion, kind, metadata, spec."""

    api_version: Literal["mlx/v1"] = Field(default="mlx/v1", description="The version of these specs: always mlx/v1.")
    metadata: Metadata = Field(description="Name, description, owner and labels.")
    environments: list[Name] | None = Field(default=None, description="The environments in which this object exists; left out: all of them.")


class KubernetesSecret(Strict):
    """A key of a Kubernetes Secret in the environment's namespace."""

    name: str = Field(description="The Secret's name.")
    key: str = Field(description="The key within the Secret.")


class SecretRef(Strict):
    """Where a secret value comes from; the value itself never stands in a spec. Exactly one of the three."""

    env: str | None = Field(default=None, description="The environment variable that holds the value.")
    file: str | None = Field(default=None, description="The file that holds the value; trailing newlines are removed.")
    kubernetes: KubernetesSecret | None = Field(default=None, description="The Kubernetes Secret that holds the value.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [place for place in (self.env, self.file, self.kubernetes) if place is not None]
        if len(given) != 1:
            raise ValueError("a secret comes from exactly one of env, file and kubernetes")
        return self


class Compute(Strict):
    """What a workload asks for, and where it may run."""

    cpu: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="CPU cores; on the laptop the number of threads that numerical libraries use."
    )
    memory: Quantity | None = Field(default=None, description="Memory, such as 4Gi; on the laptop a limit on the data segment of the process.")
    gpu: Annotated[int, Field(ge=0, le=64)] | None = Field(default=None, description="GPUs for each node.")
    nodes: Annotated[int, Field(ge=1, le=1024)] | None = Field(default=None, description="Nodes that share the work of a training, a batch or a stream.")
    pool: Name | None = Field(default=None, description="The node pool of the environment's cluster to run on.")

    @property
    def is_spread(self) -> bool:
        """Whether it runs on several nodes at once."""
        return (self.nodes or 1) > 1
