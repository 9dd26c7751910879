"""No field of a feature store is ignored: a second value changes what the engine records and what Feast holds or joins."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from feature_fields import FEATURE_CASES, FeatureCase, store
from feature_trial import MODEL, Store, declared, write_feature_trial
from field_paths import changed_at
from model_trial import write_model_trial
from trials import Trial, made

from mlx_features.shared import close_workers


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A workspace whose datasets are prepared; one Feast worker serves all cases."""
    trial = Trial(tmp_path_factory.mktemp("features"))
    write_model_trial(trial, 18_477)
    write_feature_trial(trial)
    yield trial
    close_workers()


def changed(base: dict[str, Any], case: FeatureCase) -> dict[str, Any]:
    """The store with the second value, and what goes with it."""
    for path, value in {**case.also, case.path: case.value}.items():
        base = changed_at(base, path, value)
    return base


def first(case: FeatureCase) -> dict[str, Any]:
    base = store()
    for path, value in case.base.items():
        base = changed_at(base, path, value)
    return base


def resources(at: Store) -> dict[str, Any]:
    return {name: inputs for name, inputs in at.inputs.items() if name.split(" ")[0] in ("FeatureRegistry", "OnlineFeatures", "JoinedDataset")}


@pytest.mark.parametrize("case", FEATURE_CASES, ids=lambda case: case.path)
def test_a_field_of_a_feature_store_changes_what_is_recorded_and_what_is_seen(case: FeatureCase, trial: Trial) -> None:
    before = declared(trial, first(case))
    assert case.seen(before) == case.before
    after = declared(trial, changed(first(case), case))
    assert resources(before) != resources(after)
    assert case.seen(after) == case.after


def test_another_feature_service_of_a_model_joins_other_features(trial: Trial) -> None:
    seen = [declared(trial, store(), {**MODEL, "featureService": name}) for name in ("all", "some")]
    assert [sorted(at.joined().column_names[7:]) for at in seen] == [["total", "x", "z"], ["z"]]


def test_who_owns_a_view_or_what_it_says_joins_nothing_again(trial: Trial) -> None:
    before = declared(trial, store())
    for case in FEATURE_CASES:
        if case.path.rpartition(".")[2] in ("description", "owner", "tags", "labels"):
            after = declared(trial, changed(store(), case))
            assert after.inputs["JoinedDataset trial"] == before.inputs["JoinedDataset trial"]
            assert after.inputs["FeatureRegistry trial"] != before.inputs["FeatureRegistry trial"]


@pytest.mark.parametrize("mode", ["batch", "realtime"])
def test_the_features_of_an_inference_are_part_of_what_it_is_made_of(mode: str, trial: Trial) -> None:
    spec = {"mode": mode, "model": "trial@champion", **({"batch": {"input": "rows"}} if mode == "batch" else {})}
    model = {**MODEL, "features": ["w", "z"]}
    recorded = {}
    for features in (None, "all", "some"):
        one = made("Inference", "trial", {**spec, **({"features": features} if features else {})})
        if mode == "batch" and features is None:
            continue
        trial.write([])
        recorded[features] = inference(trial, one, model)
    assert len({str(value) for value in recorded.values()}) == len(recorded)


def inference(trial: Trial, one: dict[str, Any], model: dict[str, Any]) -> Any:
    """What an apply would record of the rows that the inference scores, or of the features that it looks up."""
    from feature_trial import around
    from trials import recorded as recorded_by

    trial.write([*around(), store(), made("Model", "trial", model), one])
    inputs = recorded_by(trial.preview())
    return inputs["ModelServer trial"]["features"] if "ModelServer trial" in inputs else inputs["JoinedDataset trial"]


def test_the_second_value_of_a_path_is_tried(tmp_path: Path) -> None:
    assert all(changed(first(case), case) != first(case) for case in FEATURE_CASES)
