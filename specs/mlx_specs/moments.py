"""Which column of a model's rows says which moment a row is about."""

from mlx_specs.dataset import Dataset
from mlx_specs.graph import Graph
from mlx_specs.inference import Inference
from mlx_specs.model import Model


def event_time_of_rows(inference: Inference, graph: Graph) -> str:
    """Of the rows that its model was trained on; '' where they have none, or the model is declared elsewhere."""
    model = graph.get(f"Model/{inference.spec.model.partition('@')[0]}")
    data = graph.get(f"Dataset/{model.object.spec.data}") if model is not None and isinstance(model.object, Model) else None
    return data.object.spec.event_time or "" if data is not None and isinstance(data.object, Dataset) else ""
