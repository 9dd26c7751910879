"""A cluster that lacks what an environment needs: it is told before anything is made."""

from pathlib import Path

import pytest
import yaml
from control_plane import ControlPlane
from flights_on_cluster import OnCluster, add_pools, write_workspace
from kfp_stand_in import pipelines_api


@pytest.fixture
def bare(plane: ControlPlane, mlflow: str, tmp_path: Path) -> OnCluster:
    """The reference workspace on a cluster with nodes and nothing else."""
    add_pools(plane)
    with pipelines_api(plane) as pipelines:
        on_cluster = OnCluster(write_workspace(tmp_path, mlflow, pipelines.url), plane, pipelines)
    path = on_cluster.workspace.root / "specs/on-cluster.yaml"
    documents = list(yaml.safe_load_all(path.read_text()))
    del documents[0]["spec"]["addOns"]
    path.write_text(yaml.safe_dump_all(documents))
    on_cluster.mlx("apply", "--cluster", "main", "--yes")
    return on_cluster


def test_an_environment_that_could_not_be_made_whole_is_refused_with_the_add_ons_that_it_needs(bare: OnCluster) -> None:
    said = bare.mlx("apply", "--env", "dev", "--yes", code=1)
    error, hint = said.err.strip().splitlines()[-2:]
    assert error == (
        "error: Cluster 'main' cannot take this environment: it has no definition of FeatureStore of feast.dev/v1 (FeatureStore/flights), "
        "Notebook of kubeflow.org/v1 (Notebook/explore), Pipeline of pipelines.kubeflow.org/v2beta1 (Pipeline/tabular), "
        "PipelineVersion of pipelines.kubeflow.org/v2beta1 (Pipeline/tabular), ServingRuntime of serving.kserve.io/v1alpha1 (Inference/delay-api), "
        "SparkApplication of sparkoperator.k8s.io/v1beta2 (Dataset/weather), TrainJob of trainer.kubeflow.org/v1alpha1 (Model/minutes)"
    )
    assert hint == "  hint: it needs the add-ons feast, kfp, kserve, notebooks, spark, trainer"
    assert not any(item["metadata"]["name"] == "delays-dev" for item in bare.objects("/api/v1/namespaces"))
