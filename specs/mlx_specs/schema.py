"""JSON schemas of what people write, for editors and other tools; the checked-in files in specs/schema are these.

The kinds enter; JSON leaves, the same bytes for the same kinds. Wherever one value is expected ``${var.NAME}`` may stand.
"""

import json
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from mlx_specs.base import API_VERSION
from mlx_specs.kinds import KINDS
from mlx_specs.release import LOCK_KIND, Lock

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WHOLE_VARIABLE = {"type": "string", "pattern": r"^\$\{\s*var\.[^}\s]+\s*\}$"}
WITH_VARIABLE = {"type": "string", "pattern": r"\$\{\s*var\.[^}\s]+\s*\}"}
ANY_FILE = "mlx.json"


def schemas() -> dict[str, dict[str, Any]]:
    """The schemas by file name: one for each kind, mlx.json for any object, and that of a release's lock."""
    return {ANY_FILE: any_object(), **{f"{kind}.json": schema(kind) for kind in KINDS}, f"{LOCK_KIND}.json": release_lock()}


def files() -> dict[str, str]:
    """The same as the text of files."""
    return {name: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for name, value in schemas().items()}


def schema(kind: str) -> dict[str, Any]:
    """The schema of one kind."""
    made = KINDS[kind].model_json_schema(by_alias=True, schema_generator=_Generator)
    return {"$schema": DIALECT, **_as_written(made, kind)}


def release_lock() -> dict[str, Any]:
    """The schema of stacks/ENV.lock.yaml: no variables are put into it."""
    return {"$schema": DIALECT, **cast("dict[str, Any]", _tidy(Lock.model_json_schema(by_alias=True)))}


def any_object() -> dict[str, Any]:
    """The schema of an object of any kind: which one is decided by ``kind``."""
    definitions: dict[str, Any] = {}
    for kind in KINDS:
        made = schema(kind)
        definitions |= made.pop("$defs", {})
        made.pop("$schema")
        definitions[kind] = made
    return {
        "$schema": DIALECT,
        "title": "mlx object",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {"apiVersion": {"const": API_VERSION}, "kind": {"enum": list(KINDS), "description": "What the object is."}},
        "allOf": [{"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": f"#/$defs/{kind}"}} for kind in KINDS],
        "$defs": dict(sorted(definitions.items())),
    }


class _Generator(GenerateJsonSchema):
    """Pydantic's schemas, with variables allowed where one value is expected."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return _or(super().int_schema(schema), WHOLE_VARIABLE)

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return _or(super().float_schema(schema), WHOLE_VARIABLE)

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return _or(super().bool_schema(schema), WHOLE_VARIABLE)

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        return _or(super().date_schema(schema), WHOLE_VARIABLE)

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        return _or(super().datetime_schema(schema), WHOLE_VARIABLE)

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        made = super().str_schema(schema)
        return _or(made, WITH_VARIABLE) if "pattern" in made or "maxLength" in made else made

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        made = super().literal_schema(schema)
        return _or(made, WHOLE_VARIABLE) if "enum" in made else made


def _or(made: JsonSchemaValue, other: dict[str, Any]) -> JsonSchemaValue:
    return {"anyOf": [made, dict(other)]}


def _as_written(made: dict[str, Any], kind: str) -> dict[str, Any]:
    """What YAML needs and Python fills in is required; titles and defaults that say nothing are left out."""
    made = cast("dict[str, Any]", _tidy(made))
    made["title"] = kind
    made["required"] = ["apiVersion", "kind", "metadata", *(["spec"] if "spec" in made.get("required", []) else [])]
    return made


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: _tidy(item) for key, item in items if not (key == "title" and isinstance(item, str)) and not (key == "default" and item is None)}
    if isinstance(value, list):
        return [_tidy(item) for item in cast("list[Any]", value)]
    return value
