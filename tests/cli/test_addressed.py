"""A command that a message suggests works when it is copied: it names the environment or the cluster that was asked for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlx_cli.addressed import OF_CLUSTER, OF_ENVIRONMENT, About, addressed, remember
from mlx_cli.main import VERBS, load

CASES = (
    (
        About("dev"),
        "mlx apply brings it back; mlx logs delay --follow shows it",
        "mlx apply --env dev brings it back; mlx logs --env dev delay --follow shows it",
    ),
    (About("dev"), "`mlx refresh`, then `mlx apply`: a plan", "`mlx refresh --env dev`, then `mlx apply --env dev`: a plan"),
    (About("dev"), "mlx features materialize fills it", "mlx features materialize --env dev fills it"),
    (About("dev"), "mlx apply --env prod makes it so, then mlx status", "mlx apply --env prod makes it so, then mlx status --env dev"),
    (About("dev"), "mlx doctor looks at what mlx runs on; mlx promote --to dev", "mlx doctor looks at what mlx runs on; mlx promote --to dev"),
    (About("dev", on="main"), "install it: mlx apply --cluster NAME", "install it: mlx apply --cluster main"),
    (About(on="main"), "mlx apply, or mlx apply --cluster NAME", "mlx apply, or mlx apply --cluster main"),
    (About(cluster="main"), "mlx apply goes on; mlx state forget and mlx why", "mlx apply --cluster main goes on; mlx state forget --cluster main and mlx why"),
    (About(), "mlx apply brings it back", "mlx apply brings it back"),
)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    remember(About())


@pytest.mark.parametrize(("about", "said", "told"), CASES)
def test_commands_are_made_complete(about: About, said: str, told: str) -> None:
    remember(about)
    assert addressed(said) == told


def test_the_verbs_that_take_an_environment_or_a_cluster_are_known() -> None:
    options = {verb: {option for parameter in load(verb).params for option in parameter.opts} for verb in VERBS}
    assert {verb for verb, known in options.items() if "--env" in known} == {*OF_ENVIRONMENT, "doctor"}
    assert {verb for verb, known in options.items() if "--cluster" in known} == set(OF_CLUSTER)


@pytest.fixture
def two(tiny: Path) -> Path:
    """With a second environment, so that a bare command would mean the other one."""
    local = (tiny / "stacks/local.yaml").read_text()
    (tiny / "stacks/dev.yaml").write_text(re.sub(r"name: local\b", "name: dev", local))
    return tiny


def test_what_why_and_logs_suggest_works_in_the_environment_that_was_asked_for(mlx, two: Path) -> None:
    assert mlx("why", "Dataset/tumours", "--env", "dev", "-C", two).out.splitlines()[-1] == "Fix    mlx apply --env dev"
    assert mlx("logs", "tumour-api", "--env", "dev", "-C", two).err.splitlines()[-1].startswith("  hint: mlx status --env dev shows what runs")
    assert mlx("state", "--env", "dev", "-C", two).out == "environment dev has no state: mlx apply --env dev\n"
    assert mlx("why", "Dataset/tumours", "-C", two).out.splitlines()[-1] == "Fix    mlx apply"


def test_the_environment_of_a_variable_is_named_too(mlx, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_ENV", "dev")
    assert '"fix": "mlx apply --env dev"' in mlx("why", "Dataset/tumours", "-C", two, "-o", "json").out


def test_a_failed_apply_says_how_it_goes_on(mlx, two: Path) -> None:
    specs = two / "specs/tiny.yaml"
    specs.write_text(re.sub(r"path: [^,}\s]+", "path: gone.csv", specs.read_text(), count=1))
    told = mlx("apply", "--yes", "--env", "dev", "-C", two)
    assert told.code == 1
    suggested = re.findall(r"mlx (?:apply|why|logs|status|refresh|plan)[^;,.\n]*", told.err)
    assert [command for command in suggested if "--env dev" not in command] == []
