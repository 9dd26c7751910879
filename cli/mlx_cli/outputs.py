"""The JSON schema of what each verb prints with ``-o json``; a field is never removed or retyped, only added."""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
YES: dict[str, Any] = {"type": "boolean"}
MAP: dict[str, Any] = {"type": "object"}
ANY: dict[str, Any] = {}


def record(**fields: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these fields, and may get more."""
    return {"type": "object", "required": sorted(fields), "properties": fields}


def several(item: dict[str, Any]) -> dict[str, Any]:
    """A list of these."""
    return {"type": "array", "items": item}


def published(verb: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its name."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"mlx {verb} -o json", **schema}


CHANGE = record(path=TEXT, old=ANY, new=ANY)
OBJECT_CHANGE = record(
    id=TEXT,
    action={"enum": ["create", "update", "replace", "delete", "same"]},
    changes=several(CHANGE),
    effect=TEXT,
    effect_text=TEXT,
    indirect=YES,
    because=several(TEXT),
    note=TEXT,
)
DIAGNOSTIC = record(severity={"enum": ["error", "warning"]}, message=TEXT, hint=TEXT, file=TEXT, line=COUNT, column=COUNT, source_line=TEXT, code=TEXT)
STEP = record(urn=TEXT, op=TEXT, inputs=TEXT, unknown=YES, effect=TEXT, effect_text=TEXT)
BATCH = record(id=TEXT, kept=YES, path=TEXT, rows=COUNT, version=TEXT)
APPLIED = record(
    environment=TEXT,
    created=COUNT,
    updated=COUNT,
    deleted=COUNT,
    blocked=several(TEXT),
    waiting=several(TEXT),
    seconds=NUMBER,
    batches=several(BATCH),
    notes=several(TEXT),
)
DRIFT = record(environment=TEXT, drift=several(record(id=TEXT, gone=YES, changes=several(CHANGE), status=TEXT, detail=TEXT)))
FAULT = record(object=TEXT, kind=TEXT, reason=TEXT, fix=TEXT)
RELEASED = record(id=TEXT, action={"enum": ["create", "update", "delete"]}, changes=several(CHANGE))
RELEASE = record(number=COUNT, digest=TEXT, source=TEXT, by=TEXT, at=TEXT, applied=NUMBER, gates=MAP, rolled_back_from=TEXT, serial=TEXT, kept=YES)
UPDATE = record(kind=TEXT, result=TEXT, start=NUMBER, end=NUMBER, message=TEXT, changes=MAP, environment=MAP)

PLAN = record(project=TEXT, environment=TEXT, serial=TEXT, objects=several(OBJECT_CHANGE), steps=several(STEP), summary=MAP, format=COUNT, notes=several(TEXT))
WRONG_SPECS = record(valid={"const": False}, environment={"type": ["string", "null"]}, diagnostics=several(DIAGNOSTIC))
"""What plan, apply, run and refresh say instead where the specs have errors (exit 1), in the words of validate."""
VIEW = record(name=TEXT, kind={"enum": ["view", "on demand"]}, entities=several(TEXT), features=MAP, ttl=COUNT, online=YES, push=YES, rows=COUNT, latest=TEXT)
STORE = record(store=TEXT, path=TEXT, views=several(VIEW), services=several(record(name=TEXT, features=several(TEXT))))
FEATURE = record(name=TEXT, view=TEXT, value=ANY, event_time=TEXT, age_seconds={"type": ["number", "null"]}, missing=TEXT)
FEATURES = {
    "anyOf": [
        record(environment=TEXT, stores=several(STORE)),
        record(service=TEXT, at=TEXT, rows=several(record(keys=MAP, features=several(FEATURE)))),
        record(store=TEXT, path=TEXT, rows=MAP, latest=MAP),
        record(store=TEXT, view=TEXT, rows=COUNT),
    ]
}
"""`mlx features`, and then its verbs get, materialize and push."""

COLUMN_DRIFT = record(
    column=TEXT, method=TEXT, distance=NUMBER, threshold=NUMBER, missingBefore=NUMBER, missing=NUMBER, newValues=several(TEXT),
    bins=several(record(bin=TEXT, before=NUMBER, now=NUMBER)),
)  # fmt: skip
MONITOR_REPORT = record(
    monitor=TEXT, inference=TEXT, at=TEXT, window=TEXT, version=TEXT, rows=COUNT, minimum=COUNT, referenceRows=COUNT, otherVersions=COUNT,
    data=several(COLUMN_DRIFT), predictions=several(COLUMN_DRIFT), notMeasured=MAP, verdict={"enum": ["ok", "drifted", "insufficient"]}, sentence=TEXT,
)  # fmt: skip
STATE = {
    "anyOf": [
        record(environment=TEXT, resources=several(record(urn=TEXT, type=TEXT, name=TEXT, id=TEXT, protected=YES, note=TEXT))),
        record(environment=TEXT, resource=MAP),
        record(environment=TEXT, changed=several(TEXT)),
    ]
}
"""`mlx state list`, and then show, unprotect and forget."""

PORT = record(name=TEXT, type=TEXT, shape=several(ANY))

SCHEMAS: dict[str, dict[str, Any]] = {
    "init": record(workspace=TEXT, name=TEXT, files=several(TEXT)),
    "validate": record(valid=YES, environment={"type": ["string", "null"]}, diagnostics=several(DIAGNOSTIC)),
    "plan": {"anyOf": [PLAN, WRONG_SPECS]},
    "apply": {"anyOf": [APPLIED, WRONG_SPECS]},
    "run": {"anyOf": [APPLIED, WRONG_SPECS]},
    "destroy": record(environment=TEXT, deleted=COUNT, seconds=NUMBER),
    "status": record(environment=TEXT, about=MAP, objects=several(record(id=TEXT, status=TEXT, detail=TEXT, fields=MAP)), in_progress=several(TEXT)),
    "promote": record(
        source=TEXT,
        target=TEXT,
        release=TEXT,
        previous=TEXT,
        promoted=YES,
        changes=several(RELEASED),
        gates=several(record(model=TEXT, passed=YES, figures=several(TEXT), reasons=several(TEXT))),
        lock=TEXT,
        copied=several(TEXT),
        notes=several(TEXT),
    ),
    "rollback": record(environment=TEXT, release=TEXT, number=COUNT, previous=TEXT, changes=several(RELEASED)),
    "history": record(environment=TEXT, updates=several(UPDATE), releases=several(RELEASE)),
    "refresh": {"anyOf": [DRIFT, WRONG_SPECS]},
    "cancel": record(environment=TEXT, message=TEXT),
    "state": STATE,
    "predict": record(endpoint=TEXT, rows=COUNT, predictions=several(MAP)),
    "features": FEATURES,
    "monitor": record(environment=TEXT, reports=several(MONITOR_REPORT)),
    "export": record(
        model=TEXT, version=TEXT, fingerprint=TEXT, format={"const": "onnx"}, folder=TEXT, digest=TEXT, inputs=several(PORT), outputs=several(PORT)
    ),
    "render": record(folder=TEXT, files=several(TEXT), removed=several(TEXT), notes=several(TEXT)),
    "logs": record(id=TEXT, path=TEXT, lines=several(TEXT), logs=several(record(id=TEXT, path=TEXT, lines=several(TEXT)))),
    "why": record(
        object=TEXT,
        environment=TEXT,
        well=YES,
        cause={"anyOf": [FAULT, {"type": "null"}]},
        others=several(FAULT),
        tree=MAP,
        lineage=several(record(id=TEXT, text=TEXT)),
    ),
    "profile": record(
        dataset=TEXT,
        description=TEXT,
        digest=TEXT,
        rows=COUNT,
        sampled=COUNT,
        columns=several(record(name=TEXT, type=TEXT, description=TEXT, missing=COUNT, distinct=COUNT, figures=MAP, histogram=several(MAP), top=several(MAP))),
        correlations=several(record(one=TEXT, other=TEXT, value=NUMBER)),
        associations=several(record(one=TEXT, other=TEXT, value=NUMBER)),
        keys=several(TEXT),
        duplicates=COUNT,
        coverage={"type": ["object", "null"]},
        rejected=COUNT,
        reasons=several(record(step=COUNT, reason=TEXT, rows=COUNT)),
        checks=several(record(name=TEXT, severity=TEXT, passed=YES, message=TEXT)),
        sample=several(MAP),
        rejected_sample=several(MAP),
        page=TEXT,
    ),
    "ui": record(url=TEXT),
    "doctor": record(ok=YES, checks=several(record(name=TEXT, ok=YES, detail=TEXT, hint=TEXT))),
}
OUTPUTS: dict[str, dict[str, Any]] = {verb: published(verb, schema) for verb, schema in SCHEMAS.items()}
