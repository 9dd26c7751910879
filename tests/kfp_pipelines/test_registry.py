"""MLflow on SQLite for real: what is read straight from its file must be what it says itself."""

from pathlib import Path

import pytest

from mlx_pipelines import registry
from mlx_pipelines.registry import Run, client, delete_alias, describe, find_fingerprint, find_version, register, set_alias, tag_version, versions
from mlx_pipelines.registry_reads import find_model, run_metrics
from mlx_specs.resources import About, Version

HOME = ".mlx/local"
ABOUT = About(description="Late?", owner="team", labels={"tier": "gold"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests of this file, a model each: making the tables takes seconds."""
    folder = tmp_path_factory.mktemp("registry")
    for fingerprint in ("one", "two"):
        artifact = folder / HOME / "models" / fingerprint
        artifact.mkdir(parents=True)
        (artifact / "model.json").write_text("{}")
    client(folder, HOME)
    return folder


def made(place: Path, model: str, fingerprint: str) -> registry.Registered:
    artifact = f"{HOME}/models/{fingerprint}"
    run = Run({"max_depth": "6"}, {"roc_auc": 0.7}, {"mlx.environment": "local"}, {place / artifact: "model"})
    version = Version(fingerprint=fingerprint, artifact=artifact, artifact_digest=f"sha-{fingerprint}")
    return register(place, HOME, model, version, run, {"mlx.engine": "onnx"}, ABOUT)


def test_nothing_is_found_where_there_is_no_store(tmp_path: Path) -> None:
    assert (versions(tmp_path, HOME, "m"), find_version(tmp_path, HOME, "m", "champion"), find_model(tmp_path, HOME, "m")) == ([], None, None)
    assert not (tmp_path / ".mlx").exists()


def test_a_fingerprint_has_one_version_however_often_it_is_registered(place: Path) -> None:
    first, again, other = made(place, "twice", "one"), made(place, "twice", "one"), made(place, "twice", "two")
    assert (first.version, again, other.version) == ("1", first, "2")
    assert first.reference() == Version(fingerprint="one", version="1", artifact=f"{HOME}/models/one", artifact_digest="sha-one")
    assert find_fingerprint(place, HOME, "twice", "two") == other


def test_a_version_that_was_trained_again_points_to_its_new_bytes(place: Path) -> None:
    first = made(place, "again", "one")
    version = Version(fingerprint="one", artifact=f"{HOME}/models/one", artifact_digest="new")
    second = register(place, HOME, "again", version, Run({}, {}, {}, {}), {"mlx.engine": "native"}, ABOUT)
    assert (second.version, second.run_id) == (first.version, first.run_id)
    assert (second.reference().artifact_digest, second.tags["mlx.engine"]) == ("new", "native")
    assert versions(place, HOME, "again") == [second]


def test_what_is_read_from_the_file_is_what_mlflow_says(place: Path) -> None:
    one = made(place, "same", "one")
    made(place, "same", "two")
    set_alias(place, HOME, "same", "champion", "1")
    set_alias(place, HOME, "same", "previous", "1")
    mlflow = client(place, HOME)
    theirs = sorted(mlflow.search_model_versions("name = 'same'"), key=lambda version: int(version.version))
    by_hand = [(str(it.version), it.run_id, it.creation_timestamp, dict(it.tags)) for it in theirs]
    assert [(it.version, it.run_id, it.created, it.tags) for it in versions(place, HOME, "same")] == by_hand
    assert [it.aliases for it in versions(place, HOME, "same")] == [tuple(mlflow.get_model_version("same", number).aliases) for number in ("1", "2")]
    assert mlflow.get_run(one.run_id).data.metrics == {"roc_auc": 0.7}
    assert run_metrics(place, HOME, "same") == {it.run_id: mlflow.get_run(it.run_id).data.metrics for it in theirs}
    model = mlflow.get_registered_model("same")
    described = find_model(place, HOME, "same")
    assert described is not None
    assert (described.description, described.tags) == (model.description, model.tags)


def test_a_deleted_version_is_not_found(place: Path) -> None:
    gone = made(place, "deleted", "one")
    client(place, HOME).delete_model_version("deleted", gone.version)
    assert versions(place, HOME, "deleted") == []


def test_an_alias_moves_and_goes(place: Path) -> None:
    one, two = made(place, "moving", "one"), made(place, "moving", "two")
    set_alias(place, HOME, "moving", "champion", one.version)
    assert find_version(place, HOME, "moving", "champion") == one.reference()
    set_alias(place, HOME, "moving", "champion", two.version)
    assert find_version(place, HOME, "moving", "champion") == two.reference()
    delete_alias(place, HOME, "moving", "champion")
    delete_alias(place, HOME, "moving", "champion")
    assert find_version(place, HOME, "moving", "champion") is None


def test_a_run_that_a_kill_left_unfinished_is_finished_not_doubled(place: Path) -> None:
    mlflow = client(place, HOME)
    experiment = mlflow.create_experiment("killed", artifact_location=(place / "left").as_uri())
    left = mlflow.create_run(experiment, tags={registry.FINGERPRINT: "one"})
    registered = made(place, "killed", "one")
    assert registered.run_id == left.info.run_id
    runs = mlflow.search_runs([experiment])
    assert [(run.info.run_id, run.info.status, run.data.params) for run in runs] == [(left.info.run_id, "FINISHED", {"max_depth": "6"})]


def test_a_label_that_is_taken_away_goes_away_and_foreign_tags_stay(place: Path) -> None:
    describe(place, HOME, "described", ABOUT)
    client(place, HOME).set_registered_model_tag("described", "theirs", "kept")
    describe(place, HOME, "described", About(description="Really late?", owner="team", labels={"season": "winter"}))
    described = find_model(place, HOME, "described")
    assert described is not None
    assert described.description == "Really late?"
    assert described.tags == {"owner": "team", "season": "winter", "theirs": "kept", registry.OWNED_TAGS: '["owner", "season"]'}


def test_a_version_that_was_packaged_again_has_its_new_digest(place: Path) -> None:
    one = made(place, "packaged", "one")
    tag_version(place, HOME, "packaged", one.version, {"mlx.artifact_digest": "another"})
    found = find_fingerprint(place, HOME, "packaged", "one")
    assert found is not None
    assert found.reference() == Version(fingerprint="one", version="1", artifact=f"{HOME}/models/one", artifact_digest="another")


def test_artifacts_lie_below_the_environment_and_never_in_the_working_directory(place: Path) -> None:
    one = made(place, "placed", "one")
    uri = client(place, HOME).get_run(one.run_id).info.artifact_uri
    assert uri == (place / HOME / "mlflow" / "artifacts" / "placed" / one.run_id / "artifacts").as_uri()
    assert (place / HOME / "mlflow" / "artifacts" / "placed" / one.run_id / "artifacts" / "model" / "model.json").is_file()
