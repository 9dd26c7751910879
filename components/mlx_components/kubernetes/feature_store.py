"""FeatureStore on a cluster: the Feast operator's object, and a Job that materialises into the online store that it names.

Trainings and batches join its features themselves (mlx_runtime.cluster.joined). Source: Feast operator, feast.dev/v1 FeatureStore.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.pods import POD_SECURITY, resources
from mlx_components.kubernetes.programs import Program, program_objects
from mlx_components.resource import about
from mlx_features.online_settings import VARIABLE
from mlx_features.repository import project
from mlx_specs.feature_resources import FeatureDefinitions, FeatureRegistryInputs
from mlx_specs.feature_store import FeatureStore, OnlineStore
from mlx_specs.resources import PreparedData

DEFINED = {"entities", "feature_views", "on_demand_views", "feature_services"}
"""The fields of a store that say what there is, not how it is kept."""
SERVED_FROM = ("s3://", "gs://")


@dataclass(frozen=True)
class Registered:
    """What a store comes to besides its spec."""

    definitions: FeatureDefinitions
    sources: Mapping[str, PreparedData]
    """The datasets of its views, by the digests of their definitions."""
    code: str
    """The modules that its on-demand views need: a zip file in base64."""
    code_digest: str
    """Of what they say, whatever their comments."""


def feature_store_objects(store: FeatureStore, place: Place, registered: Registered) -> tuple[Manifest, ...]:
    """What is defined, and the servers; with an online store that pods share what fills it, once for each definition and by the schedule."""
    spec, always = store.spec, (_definitions(store, place), *_feast(store, place))
    settings, connection = spec.materialization, spec.online_store.connection
    once = settings.trigger == "apply"
    if connection is None or not (once or settings.schedule):
        return always
    name, content = f"features-{store.metadata.name}", _content(store, place, registered)
    program = Program(store, name, "materialize", content, None, settings.schedule, once=once, secrets={VARIABLE: connection})
    return (*always, *program_objects(program, place))


def _content(store: FeatureStore, place: Place, registered: Registered) -> Mapping[str, Any]:
    """As mlx_runtime.cluster.materialize reads it; the home is the pod's own."""
    spec = store.spec
    registry = FeatureRegistryInputs(
        name=store.metadata.name,
        home="",
        definitions=registered.definitions,
        sources=dict(registered.sources),
        online_store=spec.online_store.type,
        offline_store=spec.offline_store.type,
        code_digest=registered.code_digest,
        about=about(store),
    )
    start = spec.materialization.start
    return {
        "registry": registry.wire(),
        "mode": spec.materialization.mode,
        "start": start.isoformat() if start is not None else "",
        "code": registered.code,
        "storage": place.target.storage,
    }


def has_servers(place: Place) -> bool:
    """Their operator takes a registry on S3 and Google Cloud Storage only."""
    return place.target.storage.startswith(SERVED_FROM)


def _definitions(store: FeatureStore, place: Place) -> Manifest:
    """Its views and services with who answers for them, for whoever looks in the cluster."""
    said = store.spec.model_dump(mode="json", by_alias=True, exclude_none=True, include=DEFINED)
    data = {"definitions.json": json.dumps(said, indent=1, sort_keys=True)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place.metadata(store, f"definitions-{store.metadata.name}"), "data": data}


def _feast(store: FeatureStore, place: Place) -> tuple[Manifest, ...]:
    """Feast's own servers, for whoever asks them; nothing of ours does."""
    if not has_servers(place):
        return ()
    server = {"image": place.image("pipelines"), "resources": resources(None)}
    online: dict[str, Any] = {"server": server}
    if store.spec.online_store.type != "sqlite":
        online["persistence"] = {"store": _connection(store.spec.online_store)}
    offline = "duckdb" if store.spec.offline_store.type == "duckdb" else "dask"
    services = {
        "onlineStore": online,
        "offlineStore": {"persistence": {"file": {"type": offline}}},
        "registry": {"local": {"persistence": {"file": {"path": place.stored("features", store.metadata.name, "registry.db")}}, "server": server}},
        "initImage": server["image"],
        "runFeastApplyOnInit": False,
        "securityContext": dict(POD_SECURITY),
    }
    spec = {"feastProject": project(store.metadata.name), "services": services}
    return ({"apiVersion": "feast.dev/v1", "kind": "FeatureStore", "metadata": place.metadata(store, store.metadata.name), "spec": spec},)


def _connection(online: OnlineStore) -> dict[str, Any]:
    """Feast's settings of the store stand in a Secret: nothing of them is in the specs."""
    assert online.connection is not None, "said by OnlineStore"
    return {"type": online.type, "secretRef": {"name": online.connection.name}, "secretKeyName": online.connection.key}
