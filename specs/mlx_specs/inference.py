"""Inference: one model in one of three modes."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from mlx_specs.base import Column, Compute, Cron, Duration, Name, Object, Strict

MODEL_REF_PATTERN = r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?@[a-z]([-a-z0-9]{0,38}[a-z0-9])?$"
ModelRef = Annotated[str, StringConstraints(pattern=MODEL_REF_PATTERN)]
"""``NAME@ALIAS``, such as ``delay@champion``."""


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

    source: str = Field(description="A folder of JSON lines or Parquet (file://…), or a Kafka topic (kafka://BROKER/TOPIC).")
    sink: str = Field(description="Where predictions go: a folder (file://…), or a Kafka topic.")
    watermark: Duration = Field(default="10m", description="How late rows may come.")


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
