"""Amounts: quantities as the API writes them, what is left, how often a request fits, and the words for it."""

from decimal import Decimal

import pytest

from mlx_specs.base import Compute
from mlx_specs.capacity import GI, MANY, Amount, amount, asked, lacking, number_of, offered, request_of


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("2", "2"), ("3860m", "3.86"), ("16393244Ki", "16786681856"), ("1.5Gi", "1610612736"), ("1e3", "1000"), ("128974848E0", "128974848"), (".5", "0.5")],
)
def test_every_form_of_a_quantity_is_a_number(quantity: str, number: str) -> None:
    assert number_of(quantity) == Decimal(number)


@pytest.mark.parametrize("quantity", ["", "Gi", "4 Gi", "4GiB", "-1"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        number_of(quantity)


def test_a_node_holds_as_many_pods_as_its_scarcest_resource_allows() -> None:
    node = amount("3860m", "16Gi", "4")
    assert node.copies_of(Amount(cpu=1000, memory=GI)) == 3
    assert node.copies_of(Amount(memory=5 * GI, gpus=1)) == 3
    assert node.copies_of(Amount(gpus=8)) == 0
    assert node.copies_of(Amount()) == MANY


def test_what_is_said_to_be_offered_is_there_and_what_lacks_is_not_understated() -> None:
    node = Amount(cpu=3560, memory=13 * GI - 1, gpus=1)
    assert offered(node) == "3.5 cpu, 12.9Gi, 1 gpu"
    assert offered(Amount(4000, 8 * GI), gpus=True) == "4 cpu, 8Gi, no gpu"
    assert lacking(node.lacks(Amount(cpu=4000, memory=13 * GI, gpus=2))) == "0.5 cpu, 0.1Gi, 1 gpu"


def test_a_request_is_told_as_it_is_written() -> None:
    compute = Compute(cpu=4, memory="512Mi", gpu=0, pool="general")
    assert asked(compute) == "4 cpu, 512Mi"
    assert request_of(compute) == Amount(4000, 512 * 2**20, 0)
