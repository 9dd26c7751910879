"""What a `definitions.py` in a workspace's feature_repo/ hands to `feast plan` and `feast apply`: the objects of its specs.

Imports Feast; made as our own apply makes them, so that Feast finds nothing to change after it.
"""

from pathlib import Path
from typing import Any

from mlx_features.errors import FeatureError
from mlx_features.feast_objects import feast_objects
from mlx_features.repository import folder
from mlx_specs.dataset import Dataset
from mlx_specs.diagnostics import render
from mlx_specs.feature_definitions import definitions_of
from mlx_specs.feature_store import FeatureStore
from mlx_specs.layout import Layout, find_workspace
from mlx_specs.resources import About
from mlx_specs.validate import check


def objects_of_specs(store: str, environment: str = "local") -> dict[str, Any]:
    """The globals of a definitions.py for one store of one environment; FeatureError where the specs have problems.

    Feast works in the repository's folder: the workspace is the one around it, wherever the file was imported from.
    """
    workspace = find_workspace(Path.cwd())
    if workspace is None:
        raise FeatureError(f"{Path.cwd()} is in no workspace", hint="run feast in feature_repo/, beside Pulumi.yaml")
    loaded, problems = check(workspace, environment)
    if loaded.graph is None:
        raise FeatureError("the specs have problems:\n" + "\n".join(map(render, problems)), hint="mlx validate")
    node = loaded.graph.get(f"FeatureStore/{store}")
    if node is None or not isinstance(node.object, FeatureStore):
        raise FeatureError(f"there is no FeatureStore '{store}' in environment '{environment}'", hint="name one of specs/")
    datasets = [one.object for one in loaded.graph.of_kind("Dataset")]
    event_times = {one.metadata.name: one.spec.event_time or "" for one in datasets if isinstance(one, Dataset)}
    metadata = node.object.metadata
    about = About(description=metadata.description, owner=metadata.owner, labels=metadata.labels)
    home = folder(workspace, Layout(environment).home, store)
    return feast_objects(store, definitions_of(node.object, event_times), home, workspace, about).by_name()
