"""An endpoint logs its predictions where a Monitor of its environment watches it, and nowhere else."""

from typing import Any

import pytest
from mocked_program import declared_by
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks

from mlx_components.kubernetes.place import Place
from mlx_specs.base import Metadata
from mlx_specs.cluster import ClusterSpec
from mlx_specs.documents import Document, File
from mlx_specs.environment import Environment, EnvironmentSpec, Images, KubernetesTarget
from mlx_specs.graph import Graph, make_graph, make_node
from mlx_specs.inference import Inference, InferenceSpec
from mlx_specs.monitor import DataDrift, Monitor, MonitorSpec
from mlx_specs.resources import Version
from mlx_stacks.found import Found
from mlx_stacks.on_cluster import objects_of
from mlx_stacks.program import program


class Echo(Mocks):
    """Every resource is what was asked for."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return args.name, dict(args.inputs)

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        raise AssertionError(f"nothing is asked while a program runs: {args.token}")


@pytest.fixture
def graph() -> Graph:
    """Two endpoints of one model, of which one is watched."""
    endpoints = [Inference(metadata=Metadata(name=name), spec=InferenceSpec(mode="realtime", model="delay@champion")) for name in ("seen", "unseen")]
    monitor = Monitor(metadata=Metadata(name="watch"), spec=MonitorSpec(inference="seen", data_drift=DataDrift()))
    return make_graph([make_node(each, Document(File("specs/all.yaml"), {}, line=0)) for each in (*endpoints, monitor)])


def test_on_a_laptop_the_server_is_told(graph: Graph) -> None:
    environment = Environment(metadata=Metadata(name="local"), spec=EnvironmentSpec())
    declared = declared_by(program(graph, environment, {}), Echo())
    assert {each.name: each.inputs["log"] for each in declared if each.type == "mlx:index:ModelServer"} == {"seen": True, "unseen": False}


def test_on_a_cluster_the_runtime_is_told(graph: Graph) -> None:
    images = Images(registry="registry.example.com/mlx", runtime="sha256:" + "0" * 64, pipelines="sha256:" + "0" * 64)
    target = KubernetesTarget(type="kubernetes", cluster="main", namespace="prod", storage="s3://lake/prod", images=images)
    place = Place("flights", "prod", "main", ClusterSpec(provider="existing", context="main"), target)
    found = Found({"delay": Version()}, {}, {}, {}, {})
    args = {}
    for node in graph.of_kind("Inference"):
        (runtime,) = objects_of(node, graph, place, found)
        args[node.id] = [part for part in runtime["spec"]["containers"][0]["args"] if part in ("--log", "s3://lake/prod")]
    assert args == {"Inference/seen": ["--log", "s3://lake/prod"], "Inference/unseen": []}
