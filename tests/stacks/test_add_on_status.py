"""An add-on whose definitions are missing: a row that a person can read, and for machines all of their names."""

from mlx_components.clusters.releases import releases
from mlx_specs.cluster import Cluster
from mlx_stacks.add_ons import FoundAddOn
from mlx_stacks.cluster_status import add_on_status


def test_three_of_many_missing_definitions_are_named_and_all_are_in_the_fields() -> None:
    spec = {"provider": "existing", "context": "ours", "addOns": {"kueue": "verify"}}
    cluster = Cluster.model_validate({"apiVersion": "mlx/v1", "kind": "Cluster", "metadata": {"name": "main"}, "spec": spec})
    release = releases()["kueue"]
    found = add_on_status(cluster, FoundAddOn(release, "verify", missing=release.definitions))
    named = [definition.name for definition in release.definitions]
    assert found.detail.partition(";")[0] == f"{', '.join(named[:3])} and {len(named) - 3} more are not defined"
    assert found.fields["missing"] == named
