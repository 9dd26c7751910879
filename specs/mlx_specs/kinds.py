"""The nine kinds as one closed union."""

from typing import Annotated

from pydantic import Field

from mlx_specs.cluster import Cluster
from mlx_specs.dataset import Dataset
from mlx_specs.environment import Environment
from mlx_specs.feature_store import FeatureStore
from mlx_specs.inference import Inference
from mlx_specs.model import Model
from mlx_specs.monitor import Monitor
from mlx_specs.notebook import Notebook
from mlx_specs.pipeline import Pipeline

AnyObject = Annotated[
    Environment | Cluster | Dataset | FeatureStore | Pipeline | Model | Inference | Monitor | Notebook,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[Environment | Cluster | Dataset | FeatureStore | Pipeline | Model | Inference | Monitor | Notebook]] = {
    "Environment": Environment,
    "Cluster": Cluster,
    "Dataset": Dataset,
    "FeatureStore": FeatureStore,
    "Pipeline": Pipeline,
    "Model": Model,
    "Inference": Inference,
    "Monitor": Monitor,
    "Notebook": Notebook,
}
