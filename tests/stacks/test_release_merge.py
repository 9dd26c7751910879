"""Which pins a promotion takes from its source, and which of the target's own stay."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlx_specs.release import DataPin, FeatureStorePin, ModelPin, Pins, PipelinePin, ReleasedRun, ReleaseFile
from mlx_stacks.errors import UserError
from mlx_stacks.release_merge import merged, taken_from
from mlx_stacks.release_source import Source


def source(name: str, letter: str, models: dict[str, str], held: Sequence[str] = ()) -> Source:
    """Models with their feature service ('': none), all trained by one pipeline; every digest is made of one letter."""
    digest = letter * 64
    pin = ModelPin(
        fingerprint=digest, artifact_digest=digest, definition=digest, engine="onnx", data=DataPin(name="rows", digest=digest), pipeline="tabular",
        ir_digest=digest, code_digest=digest,
    )  # fmt: skip
    stores = {service: FeatureStorePin(definition=digest, code_digest=digest) for service in models.values() if service}
    pipelines = {"tabular": PipelinePin(definition=digest, ir_digest=digest, code_digest=digest)} if models else {}
    pins = Pins(models=dict.fromkeys(models, pin), pipelines=pipelines, feature_stores=stores)
    objects: list[dict[str, Any]] = [
        *({"kind": "Model", "metadata": {"name": model}, "spec": {"featureService": service}} for model, service in models.items()),
        *({"kind": "Pipeline", "metadata": {"name": each}, "spec": {"from": letter}} for each in pipelines),
        *({"kind": "FeatureStore", "metadata": {"name": store}, "spec": {"featureServices": {store: {}}}} for store in stores),
    ]
    parts = {f"pipelines/tabular/{digest}.yaml": Path(f"{name}.yaml"), **{f"code/{store}/code.py": Path(f"{name}/{store}.py") for store in stores}}
    runs = {model: ReleasedRun(run_id=name, version="1") for model in models}
    return Source(name, f".mlx/{name}", "", ReleaseFile(pins=pins, objects=objects, runs=runs), parts, tuple(held))


def letters(release: ReleaseFile) -> dict[str, str]:
    return {id: definition[0] for id, definition in release.pins.definitions.items()}


OLD = source("staging", "a", {"delay": "weather", "price": "town"})
NEW = source("local", "b", {"delay": "weather", "price": "town", "extra": ""})


def test_all_that_the_source_has_takes_the_place_of_all_that_the_target_had() -> None:
    release, parts = merged(NEW, Source("staging", ".mlx/staging", ""), taken_from(NEW, ()), (), whole=True)
    assert (release, parts) == (NEW.release.model_copy(update={"pins": release.pins, "objects": release.objects}), dict(sorted(NEW.parts.items())))
    assert set(letters(release).values()) == {"b"}


def test_a_named_model_comes_with_its_pipeline_and_feature_store_and_the_rest_stays() -> None:
    release, parts = merged(NEW, OLD, taken_from(NEW, ["price"]), ["delay"], whole=False)
    assert letters(release) == {"Model/delay": "a", "Model/price": "b", "Pipeline/tabular": "b", "FeatureStore/town": "b", "FeatureStore/weather": "a"}
    assert {name: run.run_id for name, run in release.runs.items()} == {"delay": "staging", "price": "local"}
    assert {name: str(path) for name, path in parts.items()} == {
        "code/town/code.py": "local/town.py",
        "code/weather/code.py": "staging/weather.py",
        f"pipelines/tabular/{'a' * 64}.yaml": "staging.yaml",
        f"pipelines/tabular/{'b' * 64}.yaml": "local.yaml",
    }


def test_a_model_without_a_champion_stays_as_the_target_has_it() -> None:
    held = source("local", "b", {"delay": "weather"}, held=["price"])
    release, _ = merged(held, OLD, taken_from(held, ()), ["price"], whole=True)
    assert letters(release) == {"Model/delay": "b", "Model/price": "a", "Pipeline/tabular": "b", "FeatureStore/weather": "b", "FeatureStore/town": "a"}


def test_a_model_that_the_source_has_not_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="local has no model 'dely' that could be promoted, did you mean 'delay'") as raised:
        taken_from(NEW, ["dely"])
    assert raised.value.hint == "there are delay, extra, price"
    with pytest.raises(UserError, match="prod has no model that could be promoted"):
        taken_from(source("prod", "c", {}), ())
