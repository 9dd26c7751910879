"""Inference: one model in one of three modes."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from mlx_specs.base import Column, Compute, Cron, Duration, Name, Object, SecretRef, Strict

MODEL_REF_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?@[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
ModelRef = Annotated[str, StringConstraints(pattern=MODEL_REF_PATTERN)]
"""``NAME@ALIAS``, such as ``delay@champion``."""

KAFKA = "kafka://"
STREAM_URL_PATTERN = (
    r"^(kafka://[A-Za-z0-9.-]+:[0-9]+(,[A-Za-z0-9.-]+:[0-9]+)*/[A-Za-z0-9._-]{1,249}"
    r"|(s3|gs)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._=-]+)*|azblob://[a-z0-9-]+(/[A-Za-z0-9._=-]+)*\?storage_account=[a-z0-9]+|file://[^\s]+)$"
)
StreamUrl = Annotated[str, StringConstraints(pattern=STREAM_URL_PATTERN)]
"""A Kafka topic or a folder."""


class Realtime(Strict):
    """An endpoint that answers requests over HTTP (KServe's open inference protocol, V2 and V1)."""

    port: Annotated[int, Field(ge=1024, le=65535)] | None = Field(default=None, description="The port on 127.0.0.1; left out: a free one, kept from then on.")
    timeout: Duration = Field(default="30s", description="How long one request may take; longer ones are answered 504.")
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=10_000, description="The most rows in one request; larger ones are answered 413.")


class Batch(Strict):
    """A run over a dataset."""

    input: Name = Field(description="The Dataset to score.")
    trigger: Literal["apply", "manual"] = Field(default="apply", description="apply: whenever model or data change; manual: only by mlx run.")
    columns: list[Column] = Field(default_factory=list, description="Columns of the input to carry into the predictions, besides its keys.")
    schedule: Cron | None = Field(default=None, description="When to run: a cron line in UTC.")


class Stream(Strict):
    """A query that follows a stream of rows."""

    source: StreamUrl = Field(
        description="Where rows come from: a Kafka topic of JSON objects (kafka://BROKER:PORT[,…]/TOPIC), or a folder to which files of JSON lines or "
        "Parquet are added (s3://, gs://, azblob://, file://)."
    )
    sink: StreamUrl | None = Field(
        default=None, description="Where predictions go: a Kafka topic, or a folder of Parquet files; left out: a folder of the environment's own storage."
    )
    columns: list[Column] = Field(default_factory=list, description="Columns of the rows to carry into the predictions, such as their keys.")
    start: Literal["earliest", "latest"] = Field(default="earliest", description="Where a topic is begun: with what it holds, or with what comes from now on.")
    watermark: Duration | None = Field(
        default=None, description="How far a row's event time may lie behind the latest one; rows that are later are put aside. Left out: none is too late."
    )
    interval: Duration = Field(default="10s", description="How often what has come is scored.")
    kafka: SecretRef | None = Field(
        default=None, description="Properties of the Kafka client (security.protocol=SASL_SSL and the like), a line each: they hold passwords."
    )

    @property
    def topics(self) -> tuple[str, ...]:
        """Source and sink, where they are topics."""
        return tuple(url for url in (self.source, self.sink) if url is not None and url.startswith(KAFKA))


class Scaling(Strict):
    """How many replicas."""

    min: Annotated[int, Field(ge=0)] = Field(default=1, description="The fewest replicas.")
    max: Annotated[int, Field(ge=1)] = Field(default=1, description="The most replicas.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"'min' {self.min} is above 'max' {self.max}")
        return self


class InferenceSpec(Strict):
    """What an inference is made of."""

    mode: Literal["realtime", "batch", "stream"] = Field(description="Answer requests, score a dataset, or follow a stream.")
    model: ModelRef = Field(description="The model and alias to serve, such as delay@champion; it may not exist yet.")
    realtime: Realtime | None = Field(default=None, description="Settings for mode: realtime.")
    batch: Batch | None = Field(default=None, description="Settings for mode: batch.")
    stream: Stream | None = Field(default=None, description="Settings for mode: stream.")
    features: Name | None = Field(default=None, description="The feature service that completes requests which carry only keys.")
    scaling: Scaling | None = Field(default=None, description="How many replicas serve.")
    compute: Compute | None = Field(default=None, description="What each replica asks for.")

    @model_validator(mode="after")
    def _settings_fit_the_mode(self) -> Self:
        for mode in ("realtime", "batch", "stream"):
            if mode != self.mode and getattr(self, mode) is not None:
                raise ValueError(f"settings for '{mode}' do not belong to mode {self.mode}")
        if self.mode != "realtime" and getattr(self, self.mode) is None:
            raise ValueError(f"mode {self.mode} needs its settings under '{self.mode}'")
        return self


class Inference(Object):
    """An inference: an endpoint, a batch run or a stream of one model."""

    kind: Literal["Inference"] = Field(default="Inference", description="An inference.")
    spec: InferenceSpec = Field(description="Mode, model, and the mode's settings.")
