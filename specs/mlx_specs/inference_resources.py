"""Inputs and outputs of what predicts: a model server and batch predictions."""

from typing import Literal

from pydantic import Field

from mlx_specs.feature_resources import FeatureLookup
from mlx_specs.resources import About, PreparedData, Version, Wire


class ModelServerInputs(Wire):
    """``mlx:index:ModelServer``: a server process that outlives the CLI; id = the endpoint's name."""

    name: str
    home: str
    model: str
    alias: str
    version: Version
    """Empty: the server waits for its first model and answers 503 with the reason."""
    port: int | None = None
    timeout: int = 30
    """Seconds."""
    max_rows: int = 10_000
    cpu: int | None = None
    memory: str | None = None
    features: FeatureLookup | None = None
    """Where the features come from that a request does not carry; None: requests carry them all."""
    log: bool = False
    """Whether its predictions are logged: a Monitor watches it."""
    about: About = About()


class ModelServerOutputs(ModelServerInputs):
    """Where it listens and what it serves."""

    url: str = ""
    bound_port: int = 0
    pid: int = 0
    status: str = ""
    """Ready, or WaitingForModel(MODEL@ALIAS)."""


class BatchPredictionsInputs(Wire):
    """``mlx:index:BatchPredictions``: create and update score the input; id = the inference's name."""

    name: str
    home: str
    model: str
    alias: str
    version: Version
    input: PreparedData
    columns: list[str] = Field(default_factory=list)
    trigger: Literal["apply", "manual"] = "apply"
    requested: str = ""
    """The moment of the last `mlx run`; a new one runs again."""
    cpu: int | None = None
    memory: str | None = None
    about: About = About()


class BatchPredictionsOutputs(BatchPredictionsInputs):
    """HOME/predictions/NAME/DIGEST/predictions.parquet, named by version and input digest."""

    path: str = ""
    rows: int = 0
    status: str = ""
    """Done, NotRun(manual), or WaitingForModel(MODEL@ALIAS)."""
