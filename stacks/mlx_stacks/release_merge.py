"""Which of a source's pins, and which of the target's own, a promotion makes a release of.

Everything that the source has; or, with names, those models with their pipeline and feature stores in the place of the target's. A
model that the source has without a champion stays as it is in the target.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mlx_specs.diagnostics import did_you_mean, there_are
from mlx_specs.release import Pins, ReleaseFile
from mlx_stacks.errors import UserError
from mlx_stacks.release_source import Source
from mlx_stacks.releases import CODE

P = TypeVar("P")


def taken_from(there: Source, only: Sequence[str]) -> Sequence[str]:
    """The models that come from the source: all that it has, or those that are named."""
    models = there.release.pins.models
    if not models:
        hint = "; ".join(there.notes) or f"mlx apply --env {there.environment}"
        raise UserError(f"{there.environment} has no model that could be promoted", hint=hint)
    missing = [name for name in only if name not in models]
    if missing:
        hint = "; ".join(note for note in there.notes if note.startswith(f"Model/{missing[0]} ")) or there_are(sorted(models))
        raise UserError(f"{there.environment} has no model {missing[0]!r} that could be promoted{did_you_mean(missing[0], models)}", hint=hint)
    return list(only) or list(models)


def merged(there: Source, kept: Source, taken: Sequence[str], carried: Sequence[str], *, whole: bool) -> tuple[ReleaseFile, Mapping[str, Path]]:
    """The release, and the files of its folder; ``whole`` takes every feature store of the source, else those of the models that are taken."""
    new, old = there.release, kept.release
    fresh = {*(f"Model/{name}" for name in taken), *(f"Pipeline/{new.pins.models[name].pipeline}" for name in taken), *_stores(new, taken, whole=whole)}
    stays = {*(f"Model/{name}" for name in carried), *(f"Pipeline/{old.pins.models[name].pipeline}" for name in carried), *_stores(old, (), whole=True)}
    stays -= fresh
    pins = Pins(
        models=_chosen("Model", old.pins.models, stays, new.pins.models, fresh),
        pipelines=_chosen("Pipeline", old.pins.pipelines, stays, new.pins.pipelines, fresh),
        feature_stores=_chosen("FeatureStore", old.pins.feature_stores, stays, new.pins.feature_stores, fresh),
    )
    objects = {id: value for release, ids in ((old, stays), (new, fresh)) for id, value in _objects(release).items() if id in ids}
    runs = {name: (new if name in taken else old).runs[name] for name in pins.models}
    release = ReleaseFile(pins=pins, objects=[objects[id] for id in sorted(objects)], runs=runs)
    parts = {**dict(_parts(kept, pins, stays)), **dict(_parts(there, pins, fresh))}
    return release, dict(sorted(parts.items()))


def _chosen(kind: str, old: Mapping[str, P], stays: set[str], new: Mapping[str, P], fresh: set[str]) -> dict[str, P]:
    kept = {name: pin for name, pin in old.items() if f"{kind}/{name}" in stays}
    return dict(sorted({**kept, **{name: pin for name, pin in new.items() if f"{kind}/{name}" in fresh}}.items()))


def _stores(release: ReleaseFile, models: Sequence[str], *, whole: bool) -> Iterator[str]:
    """The feature stores of a release, or those whose services the models use."""
    objects = _objects(release)
    used = {objects[f"Model/{name}"]["spec"].get("featureService") for name in models}
    for name in release.pins.feature_stores:
        if whole or used & set(objects[f"FeatureStore/{name}"]["spec"].get("featureServices", {})):
            yield f"FeatureStore/{name}"


def _parts(source: Source, pins: Pins, ids: set[str]) -> Iterator[tuple[str, Path]]:
    """Compiled pipelines are named by their digest, so either side's are the same; code belongs to its store."""
    irs = {f"{pin.pipeline}/{pin.ir_digest}.yaml" for pin in pins.models.values()} | {f"{name}/{pin.ir_digest}.yaml" for name, pin in pins.pipelines.items()}
    for name, path in source.parts.items():
        kind, _, rest = name.partition("/")
        if (kind == "pipelines" and rest in irs) or (kind == CODE and f"FeatureStore/{rest.partition('/')[0]}" in ids):
            yield name, path


def _objects(release: ReleaseFile) -> Mapping[str, dict[str, Any]]:
    return {f"{value['kind']}/{value['metadata']['name']}": value for value in release.objects}
