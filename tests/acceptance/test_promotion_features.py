"""A model with features from an on-demand view is promoted with the definitions and the code that it learned from."""

import random
from typing import Any

import pytest
import yaml
from workspaces import UserWorkspace, make_workspace

HOUSES = {"house": "integer", "street": "string", "rooms": "integer", "seen": "timestamp", "price": "float"}
STREETS = {"street": "string", "known": "timestamp", "loud": "float"}
STORE = {
    "entities": {"street": {"joinKey": "street"}},
    "featureViews": {"noise": {"entities": ["street"], "source": "streets", "features": {"loud": "float"}, "defaults": {"loud": 0.0}}},
    "onDemandViews": {
        "size": {"function": "town:doubled", "inputs": {"views": {"noise": ["loud"]}, "request": {"rooms": "integer"}}, "features": {"big": "float"}}
    },
    "featureServices": {"town": {"views": {"noise": [], "size": []}}},
}
MODEL = {
    "task": "regression", "pipeline": "tabular", "data": "houses", "featureService": "town", "target": "price", "features": ["rooms", "loud", "big"],
    "algorithm": "sklearn.linear_model.Ridge", "success": [{"metric": "r2", "atLeast": 0.1}],
}  # fmt: skip
TOWN = """\
from sizes import twice


def doubled(loud: float | None, rooms: int | None) -> float | None:
    return None if loud is None or rooms is None else twice(loud * rooms)
"""
SIZES = "def twice(value: float) -> float:\n    return 2 * value\n"
ASKED = '[{"street": "s3", "rooms": 4}, {"street": "s5", "rooms": 2}, {"street": "s9", "rooms": 1}]'


def dataset(name: str, columns: dict[str, str], keys: list[str], time: str) -> dict[str, Any]:
    typed = {column: {"type": type, "availableAt": "0s"} if column == "loud" else {"type": type} for column, type in columns.items()}
    return {
        "kind": "Dataset",
        "metadata": {"name": name},
        "spec": {"source": {"type": "csv", "path": f"{name}.csv"}, "keys": keys, "eventTime": time, "columns": typed},
    }


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Any:
    specs = [
        dataset("houses", HOUSES, ["house"], "seen"),
        dataset("streets", STREETS, ["street", "known"], "known"),
        {"kind": "FeatureStore", "metadata": {"name": "town"}, "spec": STORE},
        {"kind": "Pipeline", "metadata": {"name": "tabular"}, "spec": {"entry": "mlx_pipelines.tabular:pipeline"}},
        {"kind": "Model", "metadata": {"name": "price"}, "spec": MODEL},
        {"kind": "Inference", "metadata": {"name": "price-api"}, "spec": {"mode": "realtime", "model": "price@champion", "features": "town"}},
    ]
    made = make_workspace(tmp_path_factory.mktemp("town"), "town", specs)
    noise = random.Random(1)
    rows = (f"{i},s{i % 7},{i % 5},2024-02-{1 + i % 28:02d}T00:00:00Z,{(i % 5) * 10 + (i % 7) * (1 + i % 5) + noise.random()}" for i in range(300))
    made.write("houses.csv", "\n".join([",".join(HOUSES), *rows]) + "\n")
    made.write("streets.csv", "\n".join([",".join(STREETS), *(f"s{i},2024-01-01T00:00:00Z,{float(i)}" for i in range(7))]) + "\n")
    made.write("feature_repo/town.py", TOWN)
    made.write("feature_repo/sizes.py", SIZES)
    made.write("asked.json", ASKED)
    staging = {"apiVersion": "mlx/v1", "kind": "Environment", "metadata": {"name": "staging"}, "spec": {"models": "pinned", "promotedFrom": "local"}}
    made.write("stacks/staging.yaml", yaml.safe_dump(staging))
    yield made
    for environment in ("local", "staging"):
        made.mlx("destroy", "--env", environment, "--yes")


def answers(workspace: UserWorkspace, environment: str) -> Any:
    return workspace.mlx("predict", "price-api", "--env", environment, "--data", "asked.json", "-o", "json").json["predictions"]


def test_the_code_of_a_released_feature_is_the_one_that_was_released(town: UserWorkspace) -> None:
    town.mlx("apply", "--yes")
    expected = answers(town, "local")
    promoted = town.mlx("promote", "--to", "staging", "--yes", "-o", "json").json
    assert [(item["id"], item["action"]) for item in promoted["changes"]] == [
        ("Model/price", "create"), ("Pipeline/tabular", "create"), ("FeatureStore/town", "create"),
    ]  # fmt: skip
    kept = town.root / ".mlx/staging/releases" / promoted["release"] / "code/town"
    assert {path.name: path.read_text() for path in kept.iterdir()} == {"sizes.py": SIZES, "town.py": TOWN}
    town.edit("feature_repo/sizes.py", "return 2 *", "return 3 *")
    applied = town.mlx("apply", "--env", "staging", "--yes", "-o", "json").json
    assert applied["notes"] == ["not released: FeatureStore/town: its code changed"]
    assert answers(town, "staging") == expected
    refused = town.mlx("promote", "--to", "staging", "--yes", code=1)
    assert refused.err.startswith("error: FeatureStore/town: the code of its on-demand functions changed since local was applied\n")
