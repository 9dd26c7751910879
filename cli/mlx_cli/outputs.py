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
APPLIED = record(environment=TEXT, created=COUNT, updated=COUNT, deleted=COUNT, blocked=several(TEXT), waiting=several(TEXT), seconds=NUMBER)
UPDATE = record(kind=TEXT, result=TEXT, start=NUMBER, end=NUMBER, message=TEXT, changes=MAP, environment=MAP)

SCHEMAS: dict[str, dict[str, Any]] = {
    "init": record(workspace=TEXT, name=TEXT, files=several(TEXT)),
    "validate": record(valid=YES, environment={"type": ["string", "null"]}, diagnostics=several(DIAGNOSTIC)),
    "plan": record(project=TEXT, environment=TEXT, serial=TEXT, objects=several(OBJECT_CHANGE), steps=several(STEP), summary=MAP, format=COUNT),
    "apply": APPLIED,
    "run": APPLIED,
    "destroy": record(environment=TEXT, deleted=COUNT, seconds=NUMBER),
    "status": record(environment=TEXT, about=MAP, objects=several(record(id=TEXT, status=TEXT, detail=TEXT, fields=MAP))),
    "history": record(environment=TEXT, updates=several(UPDATE)),
    "refresh": record(environment=TEXT, drift=several(record(id=TEXT, gone=YES, changes=several(CHANGE)))),
    "cancel": record(environment=TEXT, message=TEXT),
    "predict": record(endpoint=TEXT, rows=COUNT, predictions=several(MAP)),
    "doctor": record(ok=YES, checks=several(record(name=TEXT, ok=YES, detail=TEXT, hint=TEXT))),
}
OUTPUTS: dict[str, dict[str, Any]] = {verb: published(verb, schema) for verb, schema in SCHEMAS.items()}
