"""The published JSON schemas: as checked in, and agreeing with validation about the reference specs."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlx_specs.diagnostics import File
from mlx_specs.kinds import KINDS
from mlx_specs.schema import any_object, files, schema
from mlx_specs.yaml_reader import read

REPOSITORY = Path(__file__).parents[2]
SPECS = sorted((*REPOSITORY.glob("specs/*.yaml"), *REPOSITORY.glob("stacks/*.yaml")))


def documents(path: Path) -> list[Any]:
    return [document.value for document in read(File(path.name, path.read_text()))[0]]


@pytest.mark.parametrize("name", sorted(files()))
def test_the_checked_in_schemas_are_those_of_the_kinds(name: str, request: pytest.FixtureRequest) -> None:
    recorded = REPOSITORY / "specs/schema" / name
    if request.config.getoption("--update"):
        recorded.write_text(files()[name])
    assert recorded.read_text() == files()[name], "look at the change, then run pytest --update"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_reference_specs_fit_the_schema_that_their_first_line_names(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(any_object())
    assert [error.message for document in documents(path) for error in validator.iter_errors(document)] == []
    assert all((path.parent / line.split("=")[1]).is_file() for line in path.read_text().splitlines() if "$schema=" in line)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_schemas_are_valid_and_every_field_is_described(kind: str) -> None:
    made = schema(kind)
    jsonschema.Draft202012Validator.check_schema(made)
    places = {kind: made, **made["$defs"]}
    fields = [(place, name, field) for place, each in places.items() for name, field in each.get("properties", {}).items()]
    assert [(place, name) for place, name, field in fields if not described(field, made["$defs"])] == []


def described(field: dict[str, Any], definitions: dict[str, Any]) -> bool:
    """By itself, or by the model that it refers to."""
    return bool(field.get("description") or definitions[field["$ref"].rpartition("/")[2]].get("description"))


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({"seed": "${var.seed}"}, True),
        ({"seed": "seven"}, False),
        ({"seed": True}, False),
        ({"package": "${var.package}"}, True),
        ({"package": "zip"}, False),
        ({"data": "flights-${var.year}"}, True),
        ({"data": "Flights"}, False),
        ({"seeed": 7}, False),
        ({"compute": {"memory": "4Gi"}}, True),
        ({"compute": {"memory": 4}}, True),
        ({"compute": {"memory": "4GB"}}, False),
    ],
)
def test_a_variable_may_stand_where_one_value_is_expected(change: dict[str, Any], fits: bool) -> None:
    model = next(document for document in documents(REPOSITORY / "specs/delay.yaml") if document["kind"] == "Model")
    changed = {**model, "spec": {**model["spec"], **change}}
    assert jsonschema.Draft202012Validator(any_object()).is_valid(changed) is fits
