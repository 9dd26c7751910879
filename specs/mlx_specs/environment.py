"""Environment: where objects are applied, with which values."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator, model_validator

from mlx_specs.base import Name, Object, SecretRef, Strict

Variable = str | int | float | bool

FILE_BACKEND = "file://"
BUCKET_QUERIES: Mapping[str, tuple[str, ...]] = {
    "s3": ("region", "endpoint", "profile", "s3ForcePathStyle", "use_path_style", "ssetype", "kmskeyid", "anonymous"),
    "azblob": ("storage_account", "domain", "protocol", "localemu"),
    "gs": ("anonymous",),
}
"""What may stand in the query of a bucket's URL, by scheme: the words of `pulumi login`."""


class LocalTarget(Strict):
    """This machine: no cluster, no containers."""

    type: Literal["local"] = Field(default="local", description="Run everything on this machine.")


class KubernetesTarget(Strict):
    """One namespace of a cluster."""

    type: Literal["kubernetes"] = Field(description="Run on a Kubernetes cluster.")
    cluster: Name = Field(description="The Cluster object that owns what is cluster-scoped.")
    namespace: Name = Field(description="The namespace that this environment owns.")


Target = Annotated[LocalTarget | KubernetesTarget, Field(discriminator="type")]


class State(Strict):
    """Where Pulumi's state stands."""

    backend: str = Field(
        default="file://.mlx/state",
        description="Where Pulumi keeps state: file://FOLDER (relative to the workspace), s3://BUCKET/PREFIX, azblob://CONTAINER/PREFIX or gs://BUCKET/PREFIX.",
    )
    passphrase: SecretRef | None = Field(
        default=None, description="The passphrase that encrypts secrets in state; a local environment may leave it out (an empty passphrase)."
    )

    @field_validator("backend")
    @classmethod
    def _is_a_place(cls, backend: str) -> str:
        parts = urlsplit(backend)
        if backend.startswith(FILE_BACKEND) and backend != FILE_BACKEND:
            return backend
        if parts.scheme not in BUCKET_QUERIES or not parts.netloc:
            raise ValueError("no place for state: use file://FOLDER, s3://BUCKET/PREFIX, azblob://CONTAINER/PREFIX or gs://BUCKET/PREFIX")
        known = BUCKET_QUERIES[parts.scheme]
        unknown = [key for key, _ in parse_qsl(parts.query, keep_blank_values=True) if key not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not known for {parts.scheme}://: known are {', '.join(known)}")
        return backend


class EnvironmentSpec(Strict):
    """What an environment is made of."""

    target: Target = Field(default=LocalTarget(), description="Where things run: this machine, or a namespace of a cluster.")
    host: Literal["embedded", "pulumi"] = Field(default="embedded", description="What runs the Pulumi program: the embedded host, or the pulumi CLI.")
    models: Literal["follow", "pinned"] = Field(default="follow", description="follow: the registry's alias is the truth; pinned: the release lock is.")
    state: State = Field(default=State(), description="Where state is kept and how its secrets are encrypted.")
    variables: dict[str, Variable] = Field(default_factory=dict, description="Values for ${var.NAME} in specs.")
    overrides: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Changes of specs in this environment by KIND/NAME: maps are merged deeply, lists replaced whole, null deletes.",
    )
    promoted_from: Name | None = Field(default=None, description="The environment whose releases are promoted to this one.")
    protect: bool = Field(default=False, description="Refuse to destroy this environment or to delete its datasets, models and feature stores.")
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(default=4, description="How many resources are worked on at the same time.")


class Environment(Object):
    """An environment: one file stacks/NAME.yaml, one Pulumi stack."""

    kind: Literal["Environment"] = Field(default="Environment", description="An environment.")
    spec: EnvironmentSpec = Field(default=EnvironmentSpec(), description="Target, state, host, variables, overrides.")

    @model_validator(mode="after")
    def _stands_for_itself(self) -> Self:
        if self.environments is not None:
            raise ValueError("an environment has no 'environments': it is one")
        return self
