"""``mlx state`` on what an apply has left: looking changes nothing, forgetting leaves the real thing."""

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import validate
from tiny_workspace import tiny_workspace

from mlx_cli.outputs import OUTPUTS


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose dataset is applied; each test works on a copy of its own."""
    from mlx_cli.main import run

    folder = tiny_workspace(tmp_path_factory.mktemp("state") / "tiny")
    specs = folder / "specs" / "tiny.yaml"
    specs.write_text(next(part for part in specs.read_text().split("\n---\n") if "kind: Dataset" in part))
    assert run(["apply", "--yes", "-C", str(folder)]) == 0
    return folder


@pytest.fixture
def applied(once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(once, tmp_path / "tiny", symlinks=True))


@pytest.fixture
def urn(mlx, applied: Path) -> str:
    """Of the prepared dataset."""
    listed = json.loads(mlx("state", "list", "-C", applied, "-o", "json").out)["resources"]
    return next(entry["urn"] for entry in listed if entry["type"] == "mlx:index:PreparedDataset")


def test_every_resource_is_listed_with_its_type_and_id(mlx, applied: Path) -> None:
    outcome = mlx("state", "-C", applied)
    rows = [row.split()[:3] for row in outcome.out.splitlines()]
    assert rows[0] == ["NAME", "TYPE", "ID"]
    assert ["tumours", "mlx:index:PreparedDataset", "tumours"] in rows
    listed = json.loads(mlx("state", "list", "-C", applied, "-o", "json").out)
    validate(listed, OUTPUTS["state"])
    assert [entry["type"] for entry in listed["resources"]] == [row[1] for row in rows[1:]]


def test_one_is_shown_as_state_has_it(mlx, applied: Path, urn: str) -> None:
    urn = next(
        entry["urn"] for entry in json.loads(mlx("state", "list", "-C", applied, "-o", "json").out)["resources"] if entry["type"].endswith("PreparedDataset")
    )
    shown = json.loads(mlx("state", "show", urn, "-C", applied).out)
    validate(shown, OUTPUTS["state"])
    assert (shown["resource"]["urn"], shown["resource"]["outputs"]["name"]) == (urn, "tumours")


def test_a_resource_that_is_not_there_is_told_with_the_verb_that_lists_them(mlx, applied: Path) -> None:
    outcome = mlx("state", "show", "nope", "-C", applied)
    assert (outcome.code, outcome.out, outcome.err) == (1, "", "error: no resource 'nope' in state\n  hint: mlx state list shows what there is\n")


def test_the_state_of_a_cluster_is_named_by_the_cluster(mlx, applied: Path) -> None:
    """A Cluster is a stack of its own: one that was never applied has no state, before and after the verb."""
    (applied / "specs/cluster.yaml").write_text("apiVersion: mlx/v1\nkind: Cluster\nmetadata: {name: main}\nspec: {provider: existing, context: ours}\n")
    nothing = "cluster main has no state: mlx apply --cluster main\n"
    assert mlx("state", "-C", applied, "--cluster", "main").out == mlx("state", "list", "-C", applied, "--cluster", "main").out == nothing
    listed = json.loads(mlx("state", "--cluster", "main", "-C", applied, "list", "-o", "json").out)
    assert listed == {"environment": "cluster-main", "resources": []}
    assert mlx("state", "show", "x", "--cluster", "main", "--env", "local", "-C", applied).err.startswith("error: --env and --cluster name two stacks")


def test_what_is_not_protected_needs_no_unprotecting(mlx, applied: Path, urn: str) -> None:
    assert mlx("state", "unprotect", urn, "-C", applied).out == f"{urn} was not protected\n"


def test_forgetting_needs_yes_and_leaves_the_rows_where_they_are(mlx, applied: Path, urn: str) -> None:
    urn = next(
        entry["urn"] for entry in json.loads(mlx("state", "list", "-C", applied, "-o", "json").out)["resources"] if entry["type"].endswith("PreparedDataset")
    )
    asked = mlx("state", "forget", urn, "-C", applied)
    assert (asked.code, "--yes" in asked.err) == (1, True)
    prepared = sorted((applied / ".mlx/local/datasets").rglob("*.parquet"))
    outcome = mlx("state", "forget", urn, "--yes", "-C", applied)
    assert (outcome.code, outcome.out) == (0, f"forgot {urn}\n")
    assert sorted((applied / ".mlx/local/datasets").rglob("*.parquet")) == prepared
    assert urn not in mlx("state", "list", "-C", applied, "-o", "json").out


def test_a_resource_that_is_not_there_is_said(mlx, applied: Path) -> None:
    outcome = mlx("state", "show", "nothing", "-C", applied)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("error: no resource 'nothing' in state")
