"""Rows with a service's features, as of each row's moment, for whoever learns from them or scores them on a cluster.

Enters: prepared rows, and what is joined to them. Leaves: the rows with their features, in the workspace and in the storage. Feast joins
them in a process of its own, as on a laptop, over rows that are fetched; no online store is asked.
"""

from pathlib import Path

from mlx_features.client import FeastWorker
from mlx_features.errors import FeatureError
from mlx_runtime.cluster.datasets import fetch_rows, prepared_data
from mlx_runtime.cluster.run import Run
from mlx_runtime.cluster.storage import Storage
from mlx_runtime.errors import RuntimeFailure
from mlx_specs.feature_resources import FeatureJoin, FeatureRegistryInputs, JoinedDatasetInputs, JoinedDatasetOutputs
from mlx_specs.resources import PreparedData


def joined_key(name: str, content_digest: str) -> str:
    """The folder of one joined content."""
    return f"joined/{name}/{content_digest}"


def join_features(join: FeatureJoin, name: str, data: PreparedData, storage: Storage, run: Run) -> JoinedDatasetOutputs:
    """Waits for rows of the sources that are being prepared; ``name`` is KIND.CONSUMER. Raises ``RuntimeFailure``."""
    sources = {source: prepared_data(declared, storage, run) for source, declared in join.sources.items()}
    for each in (data, *sources.values()):
        fetch_rows(storage, each.name, each.digest, (run.workspace / each.path).parent)
    store = FeatureRegistryInputs(
        name=join.store, home=run.home, definitions=join.definitions, sources=sources, offline_store=join.offline_store, code_digest=join.code_digest
    )
    asked = JoinedDatasetInputs(
        name=name, home=run.home, store=join.store, definitions=join.definitions, sources=sources, data=data, code_digest=join.code_digest
    )
    try:
        with FeastWorker(run.workspace) as feast:
            feast.apply(store, run.report)
            made = feast.join(asked, run.report)
    except FeatureError as error:
        raise RuntimeFailure(f"the features of {join.store!r}: {error}", hint=error.hint) from error
    key = joined_key(name, made.content_digest)
    storage.send_folder((run.workspace / Path(made.path)).parent, key)
    run.report(f"{storage.where(key)} are the rows with their features")
    return made
