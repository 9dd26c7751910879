"""FeatureStore on a cluster: the Feast operator's object. Trainings join its features themselves (mlx_pipelines.cluster.known).

Source: Feast operator, feast.dev/v1 FeatureStore.
"""

from typing import Any

from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.pods import POD_SECURITY, resources
from mlx_specs.feature_store import FeatureStore, OnlineStore


def feature_store_objects(store: FeatureStore, place: Place) -> tuple[Manifest, ...]:
    """The servers."""
    return (_feast(store, place),)


def _feast(store: FeatureStore, place: Place) -> Manifest:
    server = {"image": place.image("pipelines"), "resources": resources(None)}
    online: dict[str, Any] = {"server": server}
    if store.spec.online_store.type != "sqlite":
        online["persistence"] = {"store": _connection(store.spec.online_store)}
    offline = "duckdb" if store.spec.offline_store.type == "duckdb" else "dask"
    services = {
        "onlineStore": online,
        "offlineStore": {"persistence": {"file": {"type": offline}}},
        "registry": {"local": {"persistence": {"file": {"path": place.stored("features", store.metadata.name, "registry.db")}}, "server": server}},
        "runFeastApplyOnInit": False,
        "securityContext": dict(POD_SECURITY),
    }
    spec = {"feastProject": store.metadata.name.replace("-", "_"), "services": services}
    return {"apiVersion": "feast.dev/v1", "kind": "FeatureStore", "metadata": place.metadata(store, store.metadata.name), "spec": spec}


def _connection(online: OnlineStore) -> dict[str, Any]:
    """Feast's settings of the store stand in a Secret: nothing of them is in the specs."""
    assert online.connection is not None, "said by OnlineStore"
    return {"type": online.type, "secretRef": {"name": online.connection.name}, "secretKeyName": online.connection.key}
