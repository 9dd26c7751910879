"""Rules of storage: on a cluster that mlx makes, the pods of an environment may reach what it names."""

from collections.abc import Iterator

from mlx_specs.accounts import APPLY, RUN, SERVE, SPARK, TRAIN, of_notebook
from mlx_specs.capacity_rules import cluster_of
from mlx_specs.cluster import Cluster
from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import Diagnostic, listing
from mlx_specs.environment import KubernetesTarget
from mlx_specs.feature_store import FeatureStore
from mlx_specs.inference import Inference
from mlx_specs.kinds import AnyObject
from mlx_specs.load import Draught
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook


def pods_may_use_the_storage(draught: Draught) -> Iterator[Diagnostic]:
    """A bucket that pods reach without keys lets in the accounts that are named, and nobody else."""
    environment = draught.chosen.object
    target, node = environment.spec.target, cluster_of(draught.graph, environment)
    if not isinstance(target, KubernetesTarget) or node is None or not isinstance(node.object, Cluster) or node.object.spec.storage is None:
        return
    used = {account for each in draught.graph.objects for account in _accounts(each.object, follows=environment.spec.models == "follow")}
    wanting = sorted(f"{target.namespace}/{account}" for account in used if f"{target.namespace}/{account}" not in node.object.spec.storage.service_accounts)
    if wanting:
        message = f"pods of environment '{environment.metadata.name}' cannot reach {node.object.spec.storage.bucket}: {listing(wanting)} may not"
        yield node.problem(("spec", "storage", "serviceAccounts"), "access", message, f"name them: {', '.join(wanting)}", key=True, severity="warning")


def _accounts(made: AnyObject, *, follows: bool) -> Iterator[str]:
    """The service accounts of the environment under which an object's pods run."""
    compute = getattr(made.spec, "compute", None)
    on_spark = compute is not None and compute.is_spread
    match made:
        case Dataset():
            yield SPARK if on_spark else RUN
        case FeatureStore() | Monitor():
            yield RUN
        case Model() if follows:
            yield from (APPLY, TRAIN)
        case Inference() if made.spec.mode == "realtime":
            yield SERVE
        case Inference() if made.spec.mode == "batch":
            yield SPARK if on_spark else RUN
        case Inference():
            yield SPARK
        case Notebook():
            yield of_notebook(made.metadata.name)
        case _:
            return


RULES = (pods_may_use_the_storage,)
