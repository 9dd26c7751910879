"""An operator that does not see the namespaces of environments is told of before anybody waits for it."""

import pytest

from mlx_components.clusters.releases import releases
from mlx_stacks.add_on_namespaces import unseen

START = ["controller", "start"]
TOLD = "looks into default, spark only: what mlx makes in other namespaces gets no answer (spark.jobNamespaces of its chart)"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--namespaces=default,spark"], (TOLD,)),
        (["--namespaces", "default,spark"], (TOLD,)),
        (["--namespaces=default", "--namespaces=spark"], (TOLD,)),
        (['--namespaces=""'], ()),
        (["--namespaces="], ()),
        ([], ()),
        (["--namespaces=default", "--namespace-selector=kubernetes.io/metadata.name in (delays-dev)"], ()),
    ],
)
def test_the_spark_operator_tells_which_namespaces_it_sees(arguments: list[str], told: tuple[str, ...]) -> None:
    workload = {"spec": {"template": {"spec": {"containers": [{"args": [*START, *arguments]}]}}}}
    assert unseen(releases()["spark"], workload) == told
    assert unseen(releases()["kserve"], workload) == ()


def test_what_is_not_there_sees_nothing_and_is_told_as_such() -> None:
    assert unseen(releases()["spark"], {}) == ()
