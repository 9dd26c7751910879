"""Pods of an environment on a cluster that mlx has made reach their storage by what the cluster's own stack has exported.

No cloud is at hand: a program of the test exports what the provider's file would.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from flights_on_cluster import OnCluster, make_champion

from mlx_engine.embedded import embedded_host
from mlx_engine.host import Options
from mlx_specs.cluster import Cluster
from mlx_stacks.workspace import stack_of_cluster

CLIENT = {"azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000001"}
LABEL = {"azure.workload.identity/use": "true"}
VARIABLES = {"AZURE_STORAGE_ACCOUNT_NAME": "lake", "AZURE_STORAGE_ANON": "false"}
STORAGE = "azblob://flights/dev?storage_account=lake"
ACCOUNT = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ml/providers/Microsoft.Storage/storageAccounts/lake"
POOLS = {"general": {"intent": "general", "max": 3}, "memory": {"intent": "memory", "max": 2}, "gpu": {"intent": "gpu", "max": 4}}
AZURE = {
    "provider": "aks", "region": "westeurope", "version": "1.33", "nodePools": POOLS, "addOns": {"kserve": "verify", "kueue": "verify"},
    "aks": {"resourceGroup": "ml", "storageAccount": ACCOUNT},
    "storage": {"bucket": "azblob://flights", "serviceAccounts": ["delays-dev/mlx-run", "delays-dev/mlx-serve"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def azure(flights: OnCluster, mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> OnCluster:
    """The reference workspace on AKS; nobody has applied the cluster."""
    root = tmp_path_factory.mktemp("azure") / "workspace"
    shutil.copytree(flights.workspace.root, root, ignore=shutil.ignore_patterns(".mlx"))
    specs, stack = root / "specs/on-cluster.yaml", root / "stacks/dev.yaml"
    cluster, *others = yaml.safe_load_all(specs.read_text())
    specs.write_text(yaml.safe_dump_all([{**cluster, "spec": AZURE}, *others], sort_keys=False))
    environment = yaml.safe_load(stack.read_text())
    environment["spec"]["target"]["storage"] = STORAGE
    stack.write_text(yaml.safe_dump(environment, sort_keys=False))
    make_champion(mlflow, "dev", "delay")
    return OnCluster(type(flights.workspace)(root), flights.plane, flights.pipelines)


def export(azure: OnCluster, outputs: Mapping[str, Any]) -> None:
    """As the cluster's own program does."""
    (cluster, *_) = yaml.safe_load_all((azure.workspace.root / "specs/on-cluster.yaml").read_text())
    stack = stack_of_cluster(azure.workspace.root, "flights", Cluster.model_validate(cluster))

    def program() -> None:
        for name, value in outputs.items():
            pulumi.export(name, value)

    embedded_host(stack, Options(), {}).up(program, lambda event: None)


def rendered(folder: Path) -> list[dict[str, Any]]:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [item for name in listed for item in yaml.safe_load_all((folder / name).read_text())]


def pods_of(item: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """The labels and the containers of all pods that an object becomes."""
    spec = item.get("spec", {})
    match item["kind"]:
        case "Job":
            template = spec["template"]
            return [(template["metadata"]["labels"], template["spec"]["containers"])]
        case "CronJob":
            return pods_of({"kind": "Job", "spec": spec["jobTemplate"]["spec"]})
        case "SparkApplication":
            return [(spec[role]["labels"], spec[role]["template"]["spec"]["containers"]) for role in ("driver", "executor")]
        case "InferenceService":  # its controller gives its labels to the pods; what fetches the model reads the storage
            return [(item["metadata"]["labels"], spec["predictor"]["initContainers"])]
        case "Notebook":
            return [(item["metadata"]["labels"], spec["template"]["spec"]["containers"][:1])]
        case "TrainJob":
            (patch,) = spec["runtimePatches"]
            (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
            return [(job["template"]["spec"]["template"]["metadata"]["labels"], [spec["trainer"]])]
        case "PipelineVersion":
            executors = spec["platformSpec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
            steps = spec["pipelineSpec"]["deploymentSpec"]["executors"]
            return [(executors[name]["podMetadata"]["labels"], [step["container"]]) for name, step in steps.items()]
        case _:
            return []


def test_a_cluster_that_was_never_applied_is_applied_first(azure: OnCluster, tmp_path: Path) -> None:
    said = azure.mlx("render", "--env", "dev", "--out", str(tmp_path), code=1)
    assert "Cluster 'main' has not been applied" in said.err
    assert "apply it first: mlx apply --cluster main" in said.err


def test_every_pod_reaches_the_storage_as_the_clusters_stack_says(azure: OnCluster, tmp_path: Path) -> None:
    export(azure, {"kubeconfig": "", "context": "", "identity": CLIENT, "podLabels": LABEL, "variables": VARIABLES})
    azure.mlx("render", "--env", "dev", "--out", str(tmp_path))
    objects = rendered(tmp_path)
    accounts = {item["metadata"]["name"]: item["metadata"]["annotations"] for item in objects if item["kind"] == "ServiceAccount"}
    assert accounts == dict.fromkeys(["mlx-apply", "mlx-run", "mlx-serve", "mlx-spark", "mlx-train", "notebook-explore"], CLIENT)
    seen = set[str]()
    for item in objects:
        for labels, containers in pods_of(item):
            seen.add(item["kind"])
            assert labels.items() >= LABEL.items(), item["metadata"]["name"]
            for container in containers:
                told = {one["name"]: one.get("value") for one in container["env"]}
                assert told.items() >= VARIABLES.items(), item["metadata"]["name"]
    assert seen == {"CronJob", "InferenceService", "Job", "Notebook", "PipelineVersion", "SparkApplication", "TrainJob"}


def test_feasts_own_servers_are_left_out_where_they_could_not_read_their_registry(azure: OnCluster, tmp_path: Path) -> None:
    azure.mlx("render", "--env", "dev", "--out", str(tmp_path))
    assert {"ConfigMap", "Job"} <= {item["kind"] for item in rendered(tmp_path)}
    assert [item for item in rendered(tmp_path) if item["kind"] == "FeatureStore"] == []
    (space,) = [item for item in rendered(tmp_path) if item["kind"] == "Namespace"]
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_verb_reads_the_state_of_the_clusters_stack_once(azure: OnCluster, tmp_path: Path) -> None:
    """It may stand in a bucket: each read is a request."""
    assert azure.reads("render", "--env", "dev", "--out", str(tmp_path)) == 1
    assert azure.reads("plan", "--env", "dev") == 1
