"""``materialize``: a feature store's definitions in; the rows of its views in the online store, and its registry in the storage, out.

Feast does it in a process of its own, as on a laptop, over rows that are fetched into scratch. Run again, it comes to the same; what
is stored of a key is written whole, so that an end in the middle leaves old values beside new ones and nothing else.
"""

import os

from mlx_features import repository
from mlx_features.client import FeastWorker
from mlx_features.errors import FeatureError
from mlx_features.online_settings import VARIABLE, online_settings
from mlx_features.published import with_paths
from mlx_runtime.cluster.code import lay_code
from mlx_runtime.cluster.datasets import content_key, fetch_rows, prepared_data
from mlx_runtime.cluster.run import Run, variable
from mlx_runtime.cluster.storage import Storage, open_storage
from mlx_runtime.errors import RuntimeFailure
from mlx_runtime.prepare.folder import DATA
from mlx_specs.feature_definitions import online_part
from mlx_specs.feature_resources import FeatureDefinitions, FeatureRegistryInputs, OnlineFeaturesInputs
from mlx_specs.resources import PreparedData, Wire


class MaterializeObject(Wire):
    """/mlx/object.json"""

    registry: FeatureRegistryInputs
    """Its sources have digests of definitions."""
    mode: str = "full"
    start: str = ""
    code: str = ""
    """The modules of feature_repo/ that on-demand views need: a zip file in base64."""
    storage: str


def materialize(content: str, run: Run) -> None:
    """Waits for rows that are being prepared; raises ``RuntimeFailure``."""
    asked = MaterializeObject.model_validate_json(content)
    try:
        variable(VARIABLE, "the Job")
        online_settings(os.environ)
        _materialize(asked, open_storage(asked.storage), run)
    except (FeatureError, RuntimeFailure) as error:
        raise RuntimeFailure(f"FeatureStore/{asked.registry.name}: {error}", hint=error.hint) from error


def _materialize(asked: MaterializeObject, storage: Storage, run: Run) -> None:
    lay_code(asked.code, run.workspace)
    sources = {name: prepared_data(source, storage, run) for name, source in asked.registry.sources.items()}
    for each in sources.values():
        run.report(f"fetching {storage.where(content_key(each.name, each.digest))}")
        fetch_rows(storage, each.name, each.digest, (run.workspace / each.path).parent)
    store = asked.registry.model_copy(update={"home": run.home, "sources": sources})
    folder = repository.folder(run.workspace, run.home, store.name)
    # What was registered last says which rows do not fit any more, and what was materialised.
    storage.fetch(registry_key(store.name), folder / repository.REGISTRY)
    with FeastWorker(run.workspace) as feast:
        feast.apply(store, run.report)
        feast.materialize(_online(asked, store.definitions, sources, run), None, None, run.report)
    paths = {repository.source_path(folder, name): storage.where(f"{content_key(name, data.digest)}/{DATA}") for name, data in sources.items()}
    storage.write(registry_key(store.name), with_paths((folder / repository.REGISTRY).read_bytes(), paths))
    run.report(f"{storage.where(registry_key(store.name))} is what Feast's servers read")


def _online(asked: MaterializeObject, definitions: FeatureDefinitions, sources: dict[str, PreparedData], run: Run) -> OnlineFeaturesInputs:
    online = online_part(definitions)
    read = {view.source for view in online.views}
    told = {"name": asked.registry.name, "home": run.home, "definitions": online, "mode": asked.mode, "start": asked.start}
    return OnlineFeaturesInputs.model_validate({**told, "sources": {name: data for name, data in sources.items() if name in read}})


def registry_key(store: str) -> str:
    """Feast's registry of a store, as the operator's object names it."""
    return f"features/{store}/{repository.REGISTRY}"
