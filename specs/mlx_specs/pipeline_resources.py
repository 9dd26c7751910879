"""Inputs and outputs of a compiled pipeline, and of its runs on a cluster: one for a fingerprint, or by a schedule."""

from pydantic import Field

from mlx_specs.feature_resources import FeatureJoin
from mlx_specs.model_resources import ModelVersionInputs
from mlx_specs.resources import About, Parameters, Wire


class CompiledPipelineInputs(Wire):
    """``mlx:index:CompiledPipeline``: create compiles to KFP IR; id = the pipeline's name."""

    name: str
    home: str
    entry: str
    arguments: Parameters = Field(default_factory=dict)
    about: About = About()
    code_digest: str = ""
    """Filled in by check: sha256 of the normalised syntax trees of the pipeline's module and the workspace modules it imports."""


class CompiledPipelineOutputs(CompiledPipelineInputs):
    """HOME/pipelines/NAME/IR_DIGEST.yaml."""

    ir_digest: str = ""
    path: str = ""
    steps: list[str] = Field(default_factory=list)


class SubmittedRun(Wire):
    """What every step of a run on a cluster is told."""

    version: ModelVersionInputs
    """The digest of its data is that of a definition, for its rows may be under way when the run is submitted."""
    join: FeatureJoin | None = None


class PipelineRun(Wire):
    """What Kubeflow Pipelines is asked to run."""

    api: str
    """The URL of its API server."""
    namespace: str
    pipeline: str
    pipeline_version: str
    """Names; the server's ids are looked up by them."""
    service_account: str
    """That of its steps."""
    submitter: str = "mlx-apply"
    """The service account that asks for it."""
    arguments: Parameters = Field(default_factory=dict)


class ClusterAccess(Wire):
    """How whoever applies reaches the cluster. The next one may come another way: that is no change."""

    kubeconfig: str = ""
    """A path or a text; left out: as kubectl finds it, else the pod's own service account."""
    context: str = ""


class TrainingRunInputs(Wire):
    """``mlx:index:TrainingRun``: create submits a run, once for each fingerprint; id = the fingerprint. Delete keeps the run."""

    model: str
    fingerprint: str
    """Of what the version is asked to be made of: the data by its definition, as its rows may not be there yet."""
    run: PipelineRun
    access: ClusterAccess = ClusterAccess()
    about: About = About()


class TrainingRunOutputs(TrainingRunInputs):
    """Nobody waits for it: ``mlx status`` asks how it goes."""

    run_id: str = ""


class RecurringRunInputs(Wire):
    """``mlx:index:RecurringRun``: trains by a schedule, exactly one at any time; id = the model's name."""

    model: str
    schedule: str
    """Five fields, in UTC."""
    run: PipelineRun
    access: ClusterAccess = ClusterAccess()
    about: About = About()


class RecurringRunOutputs(RecurringRunInputs):
    """The one that is live; those before it are disabled, with their history."""

    recurring_run_id: str = ""
