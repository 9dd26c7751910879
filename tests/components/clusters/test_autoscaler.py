"""The autoscaler of a cluster whose cloud runs none: what it may do, and which groups it moves."""

from mlx_components.clusters.autoscaler import autoscaler_objects, image_of


def test_it_is_of_the_version_of_the_control_plane() -> None:
    assert image_of("1.33") == "registry.k8s.io/autoscaling/cluster-autoscaler:v1.33.0"


def test_it_moves_the_groups_of_this_cluster_only_under_the_role_that_was_made_for_it() -> None:
    objects = {each["kind"]: each for each in autoscaler_objects("main", "eu-west-1", "image", {"eks.amazonaws.com/role-arn": "arn:role"})}
    assert list(objects) == ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Deployment"]
    assert objects["ServiceAccount"]["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:role"}
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == objects["ServiceAccount"]["metadata"]["name"]
    assert pod["containers"][0]["env"] == [{"name": "AWS_REGION", "value": "eu-west-1"}]
    assert pod["containers"][0]["command"][1:3] == [
        "--cloud-provider=aws",
        "--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/main",
    ]


def test_it_may_write_nothing_but_evictions_nodes_and_its_own_lease_and_status() -> None:
    rules = [rule for each in autoscaler_objects("main", "eu-west-1", "image", {}) for rule in each.get("rules", ())]
    writing = {(name, verb) for rule in rules for name in rule["resources"] for verb in rule["verbs"] if verb not in ("get", "list", "watch")}
    assert writing == {
        ("configmaps", "create"), ("configmaps", "delete"), ("configmaps", "update"), ("events", "create"), ("events", "patch"), ("leases", "create"),
        ("leases", "update"), ("nodes", "update"), ("pods/eviction", "create"), ("pods/status", "update"),
    }  # fmt: skip
