"""What each kind refers to: the typed references between objects.

One object enters; its references leave, each with the path of the field that holds it. Whether they lead anywhere is a rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from mlx_specs.base import Kind
from mlx_specs.cluster import Cluster
from mlx_specs.dataset import Dataset
from mlx_specs.documents import Path
from mlx_specs.environment import Environment, KubernetesTarget
from mlx_specs.feature_store import FeatureStore
from mlx_specs.inference import Inference
from mlx_specs.kinds import AnyObject
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook
from mlx_specs.pipeline import Pipeline


@dataclass(frozen=True)
class Reference:
    """One object's mention of another."""

    path: Path
    kind: Kind
    name: str

    @property
    def id(self) -> str:
        """KIND/NAME"""
        return f"{self.kind}/{self.name}"


def references(made: AnyObject) -> list[Reference]:
    """The references of an object in the order of its fields."""
    return list(_references(made))


def used_services(made: AnyObject) -> list[tuple[Path, str]]:
    """The feature services that an object names, with the path of the field; which store has them is the graph's to say."""
    match made:
        case Model() if made.spec.feature_service is not None:
            return [(("spec", "featureService"), made.spec.feature_service)]
        case Inference() if made.spec.features is not None:
            return [(("spec", "features"), made.spec.features)]
        case _:
            return []


def _references(made: AnyObject) -> Iterator[Reference]:
    match made:
        case Dataset():
            yield from (Reference(("spec", "inputs", index), "Dataset", name) for index, name in enumerate(made.spec.inputs))
        case FeatureStore():
            for name, view in made.spec.feature_views.items():
                yield Reference(("spec", "featureViews", name, "source"), "Dataset", view.source)
        case Model():
            yield Reference(("spec", "pipeline"), "Pipeline", made.spec.pipeline)
            yield Reference(("spec", "data"), "Dataset", made.spec.data)
        case Inference():
            yield Reference(("spec", "model"), "Model", made.spec.model.partition("@")[0])
            if made.spec.batch is not None:
                yield Reference(("spec", "batch", "input"), "Dataset", made.spec.batch.input)
        case Monitor():
            yield Reference(("spec", "inference"), "Inference", made.spec.inference)
            if made.spec.performance is not None:
                yield Reference(("spec", "performance", "labels", "dataset"), "Dataset", made.spec.performance.labels.dataset)
        case Environment():
            if isinstance(made.spec.target, KubernetesTarget):
                yield Reference(("spec", "target", "cluster"), "Cluster", made.spec.target.cluster)
        case Cluster() | Pipeline() | Notebook():
            return
        case _:
            assert_never(made)
