"""Environment: where objects are applied, with which values."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from mlx_specs.base import Name, Object, Strict
from mlx_specs.state import State

Variable = str | int | float | bool


class LocalTarget(Strict):
    """This machine: no cluster, no containers."""

    type: Literal["local"] = Field(default="local", description="Run everything on this machine.")


STORAGE_PATTERN = r"^((s3|gs)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*|azblob://[a-z0-9-]+(/[A-Za-z0-9._-]+)*\?storage_account=[a-z0-9]+)$"
Storage = Annotated[str, StringConstraints(pattern=STORAGE_PATTERN)]
URL_PATTERN = r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*)?$"
Url = Annotated[str, StringConstraints(pattern=URL_PATTERN)]
REGISTRY_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9._-]+)*$"
IMAGE_DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
ImageDigest = Annotated[str, StringConstraints(pattern=IMAGE_DIGEST_PATTERN)]


class Images(Strict):
    """The images that pods run, by digest: a tag may mean other bytes tomorrow."""

    registry: Annotated[str, StringConstraints(pattern=REGISTRY_PATTERN)] = Field(description="The registry and folder that holds them.")
    runtime: ImageDigest = Field(description="mlx-runtime: the model server, preparation, batch runs, monitors.")
    pipelines: ImageDigest = Field(description="mlx-pipelines: the steps of pipelines, training on several nodes.")
    spark: ImageDigest | None = Field(default=None, description="mlx-spark: Spark applications; left out where nothing runs on Spark.")
    notebook: ImageDigest | None = Field(default=None, description="mlx-notebook: JupyterLab; left out where no notebook needs it.")


class KubernetesTarget(Strict):
    """One namespace of a cluster."""

    type: Literal["kubernetes"] = Field(description="Run on a Kubernetes cluster.")
    cluster: Name = Field(description="The Cluster object that owns what is cluster-scoped.")
    namespace: Name = Field(description="The namespace that this environment owns.")
    storage: Storage = Field(
        description="Where data, artifacts and predictions are kept: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azblob://CONTAINER/PREFIX?storage_account=NAME."
    )
    images: Images = Field(description="The images that pods run.")
    mlflow: Url = Field(
        default="http://mlflow.mlflow:5000",
        description="The MLflow server, which plan, apply and render ask which version is champion; left out: the cluster's own.",
    )
    pipelines: Url = Field(default="http://ml-pipeline.kubeflow:8888", description="The API server of Kubeflow Pipelines; left out: the cluster's own.")
    plugin: Literal["mlx", "pulumi"] = Field(
        default="mlx", description="What talks to the API server: mlx's own provider, or Pulumi's Kubernetes plugin, which must then be installed."
    )
    identity: dict[str, str] = Field(
        default_factory=dict,
        description="Annotations of the service accounts that give pods access to the storage, such as eks.amazonaws.com/role-arn (workload identity).",
    )


Target = Annotated[LocalTarget | KubernetesTarget, Field(discriminator="type")]


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
