"""What of a released feature store comes from the commit."""

from typing import Any

from mlx_specs.diagnostics import File
from mlx_specs.documents import Document
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph, make_graph, make_node
from mlx_stacks.pinned import kept_as_here

VIEWS = {"of-orders": {"entities": ["order"], "source": "orders", "features": {"amount": "float"}}}
REDIS = {"type": "redis", "connection": {"name": "redis", "key": "settings"}}


def store(**spec: Any) -> FeatureStore:
    made = {"entities": {"order": {"joinKey": "id"}}, "featureViews": VIEWS, **spec}
    return FeatureStore.model_validate({"apiVersion": "mlx/v1", "kind": "FeatureStore", "metadata": {"name": "shop"}, "spec": made}, by_alias=True)


def graph(*made: FeatureStore) -> Graph:
    return make_graph([make_node(each, Document(File("specs/shop.yaml"), {}, line=0)) for each in made])


def test_a_store_of_a_laptop_is_kept_where_the_cluster_says_with_the_views_that_were_released() -> None:
    released = store(featureViews={**VIEWS, "more": VIEWS["of-orders"]})
    here = store(onlineStore=REDIS, materialization={"schedule": "30 3 * * *"})
    kept = kept_as_here(released, graph(here))
    assert isinstance(kept, FeatureStore)
    assert kept.spec == released.spec.model_copy(update={"online_store": here.spec.online_store, "materialization": here.spec.materialization})


def test_a_store_that_the_commit_has_no_more_stays_as_it_was_released() -> None:
    released = store(onlineStore=REDIS)
    assert kept_as_here(released, graph()) is released
