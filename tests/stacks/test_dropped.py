"""A feature that a live version reads is not dropped: which one, from which service, and who reads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from spec_workspaces import workspace

from mlx_engine.host import Op, Step
from mlx_specs.feature_resources import (
    EntityDefinition,
    FeatureDefinitions,
    FeatureField,
    FeatureLookup,
    JoinedDatasetInputs,
    ServiceDefinition,
    ViewDefinition,
)
from mlx_specs.graph import Graph
from mlx_specs.inference_resources import ModelServerInputs
from mlx_specs.load import load
from mlx_specs.model_resources import ChampionOutputs
from mlx_specs.resources import PreparedData, Version
from mlx_stacks.dropped import refuse_dropped
from mlx_stacks.errors import Blocked

STORE = """\
apiVersion: mlx/v1
kind: FeatureStore
metadata: {name: store}
spec:
  entities: {carrier: {joinKey: carrier}}
  featureViews:
    rates: {entities: [carrier], source: days, features: {rate: float, worst: float}}
  featureServices:
    all: {views: {rates: []}}
    same: {views: {rates: [worst, rate]}}
"""
DAYS = "apiVersion: mlx/v1\nkind: Dataset\nmetadata: {name: days}\nspec: {source: {type: csv, path: days.csv}, eventTime: day}\n"
PIPELINE = "apiVersion: mlx/v1\nkind: Pipeline\nmetadata: {name: own}\nspec: {entry: 'own:pipeline'}\n"
MODEL = """\
apiVersion: mlx/v1
kind: Model
metadata: {name: delay}
spec: {task: classification, pipeline: own, data: days, target: late, featureService: all}
"""
API = "apiVersion: mlx/v1\nkind: Inference\nmetadata: {name: delay-api}\nspec: {mode: realtime, model: delay@champion, features: all}\n"
ALL = FeatureDefinitions(
    views=[
        ViewDefinition(
            name="rates", source="days", event_time="day", entities=[EntityDefinition(name="carrier", join_key="carrier")],
            features=[FeatureField(name="rate", type="float"), FeatureField(name="worst", type="float")],
        )
    ],
    services=[ServiceDefinition(name="all", views={"rates": ["rate", "worst"]})],
)  # fmt: skip
LIVE = Version(fingerprint="f", version="3", artifact="artifact", artifact_digest="d")


def resource(type: str, parent: str, name: str, *, inputs: dict[str, Any] | None = None, outputs: dict[str, Any] | None = None) -> Step:
    urn = f"urn:pulumi:local::p::mlx:components:{parent}$mlx:index:{type}::{name}"
    return Step(Op.SAME, urn, f"mlx:index:{type}", name, custom=True, old_inputs=inputs or {}, old_outputs=outputs or {})


def state(current: Version = LIVE) -> list[Step]:
    """A model that was trained on all features, and its endpoint."""
    rows = PreparedData(name="days", digest="x", path="p")
    joined = JoinedDatasetInputs(name="model.delay", home=".mlx/local", store="store", definitions=ALL, data=rows).wire()
    lookup = FeatureLookup(store="store", path="online.db", project="store", definitions=ALL)
    server = ModelServerInputs(name="delay-api", home=".mlx/local", model="delay", alias="champion", version=current, features=lookup).wire()
    champion = ChampionOutputs(model="delay", home=".mlx/local", candidate=current, current=current).wire()
    return [
        resource("JoinedDataset", "Model", "delay", inputs=joined),
        resource("Champion", "Model", "delay@champion", outputs=champion),
        resource("ModelServer", "Inference", "delay-api", inputs=server),
    ]


def declared(root: Path, *specs: str) -> Graph:
    graph = load(workspace(root, *specs)).graph
    assert graph is not None
    return graph


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace of a champion that reads a column of the data and one of the two features."""
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/model.json").write_text(json.dumps({"inputs": [{"name": "distance"}, {"name": "rate"}]}))
    return tmp_path


def test_what_stays_is_not_refused(root: Path) -> None:
    refuse_dropped(state(), declared(root, DAYS, STORE, PIPELINE, MODEL, API), root)


def test_a_feature_that_no_live_version_reads_may_go(root: Path) -> None:
    refuse_dropped(state(), declared(root, DAYS, STORE.replace(", worst: float", "").replace("[worst, rate]", "[rate]"), PIPELINE, MODEL, API), root)


@pytest.mark.parametrize(
    "store",
    [
        STORE.replace("rate: float, ", "").replace("[worst, rate]", "[worst]"),
        STORE.replace("all: {views: {rates: []}}", "all: {views: {rates: [worst]}}"),
    ],
    ids=["from its view", "from its service"],
)
def test_a_feature_that_a_live_version_reads_is_refused_by_name_with_model_version_endpoint_and_way_out(store: str, root: Path) -> None:
    with pytest.raises(Blocked) as refused:
        refuse_dropped(state(), declared(root, DAYS, store, PIPELINE, MODEL, API), root)
    assert str(refused.value) == (
        "feature 'rate' of service 'all' would be dropped: Model/delay version 3 (champion, which Inference/delay-api serves) reads it"
    )
    assert refused.value.hint == (
        "keep it for now; list the features of Model/delay without it and apply; once a version that does not read it is champion, drop it"
    )


def test_a_store_is_not_dropped_under_a_model_that_stops_naming_it_in_the_same_change(root: Path) -> None:
    without = MODEL.replace(", featureService: all", "")
    with pytest.raises(Blocked, match="feature 'rate' of service 'all' would be dropped"):
        refuse_dropped(state(), declared(root, DAYS, PIPELINE, without, API.replace(", features: all", "")), root)


def test_another_service_with_the_same_features_takes_the_place_of_one_that_goes(root: Path) -> None:
    renamed = STORE.replace("    all: {views: {rates: []}}\n", "")
    model, api = MODEL.replace("Service: all", "Service: same"), API.replace("features: all", "features: same")
    refuse_dropped(state(), declared(root, DAYS, renamed, PIPELINE, model, api), root)


def test_a_model_that_goes_with_its_features_or_has_no_champion_is_no_reason_to_keep_them(root: Path) -> None:
    refuse_dropped(state(), declared(root, DAYS, PIPELINE), root)
    refuse_dropped(state(Version()), declared(root, DAYS, PIPELINE, MODEL.replace(", featureService: all", "")), root)
