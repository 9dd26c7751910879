"""Names that clouds restrict: the same for the same names, of the cloud's form, never one for two."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_components.clusters.names import AKS_POOL, AKS_SYSTEM_POOL, aks_pool_names, shortened
from mlx_specs.base import NAME_PATTERN

NAMES = st.from_regex(NAME_PATTERN, fullmatch=True)


def test_an_agent_pool_keeps_a_name_that_azure_takes() -> None:
    assert aks_pool_names(["general", "gpu-spot", "system", "memory-large"]) == {
        "general": "general",
        "gpu-spot": "gpuspode27ba",
        "memory-large": "memory188485",
        "system": "systembbc5e6",
    }


def test_a_pool_that_has_the_name_of_anothers_digest_keeps_it() -> None:
    names = aks_pool_names(["gpu-spot", "gpuspode27ba"])
    assert names["gpuspode27ba"] == "gpuspode27ba"
    assert names["gpu-spot"] != "gpuspode27ba"


@settings(max_examples=200, deadline=None)
@given(st.sets(NAMES, max_size=12))
def test_agent_pools_have_names_of_their_own(pools: set[str]) -> None:
    names = aks_pool_names(pools)
    assert names.keys() == pools
    assert len(set(names.values())) == len(pools)
    assert all(AKS_POOL.fullmatch(name) for name in names.values())
    assert AKS_SYSTEM_POOL not in names.values()
    assert aks_pool_names(sorted(pools, reverse=True)) == names


@settings(max_examples=100, deadline=None)
@given(NAMES)
def test_a_shortened_name_has_at_most_so_many_letters(name: str) -> None:
    assert len(shortened(name, 30)) <= 30
    assert shortened(name, 40) == name
