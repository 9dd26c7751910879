"""Pydantic's findings in the user's words.

A ValidationError and the document it is about enter; diagnostics with places leave. No text of pydantic passes through.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlx_specs.base import COLUMN_PATTERN, DURATION_PATTERN, ENTRY_PATTERN, IMPORT_PATH_PATTERN, NAME_PATTERN, QUANTITY
from mlx_specs.dataset import STEP_KEYS
from mlx_specs.diagnostics import Diagnostic, did_you_mean, listing, nearest
from mlx_specs.documents import Document, Path
from mlx_specs.environment import IMAGE_DIGEST_PATTERN, REGISTRY_PATTERN, STORAGE_PATTERN, URL_PATTERN
from mlx_specs.inference import MODEL_REF_PATTERN, STREAM_URL_PATTERN
from mlx_specs.release import DIGEST_PATTERN
from mlx_specs.secrets import MASK, find_secret
from mlx_specs.shapes import Spot, follow
from mlx_specs.variables import looks_like_variable

EXPECTED: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a map",
    "list_type": "a list",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "date_type": "a date such as 2013-10-01",
    "date_parsing": "a date such as 2013-10-01",
    "date_from_datetime_parsing": "a date such as 2013-10-01",
    "date_from_datetime_inexact": "a date such as 2013-10-01",
    "datetime_type": "a date such as 2013-10-01",
    "datetime_parsing": "a date such as 2013-10-01",
    "datetime_from_date_parsing": "a date such as 2013-10-01",
    "datetime_object_invalid": "a date such as 2013-10-01",
}
PATTERNS: Mapping[str, tuple[str, str]] = {
    NAME_PATTERN: ("a name of lower case letters, digits and '-', at most 40, starting with a letter", ""),
    COLUMN_PATTERN: ("a column's name of letters, digits and '_'", 'rename it in a sql step: select "{found}" as new_name'),
    ENTRY_PATTERN: ("a pipeline function as MODULE:FUNCTION", "name the function under @dsl.pipeline, such as {found}:pipeline"),
    IMPORT_PATH_PATTERN: ("an import path such as package.module.Name or package.module:name", ""),
    DURATION_PATTERN: ("a duration such as 30s, 5m, 6h, 1d or 2w", ""),
    QUANTITY.pattern: ("a quantity such as 4Gi, 512Mi or 2", ""),
    MODEL_REF_PATTERN: ("a model and an alias such as delay@champion", ""),
    STREAM_URL_PATTERN: ("a topic as kafka://BROKER:PORT/TOPIC, or a folder as s3://, gs://, azblob:// or file://", ""),
    STORAGE_PATTERN: ("object storage as s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or azblob://CONTAINER/PREFIX?storage_account=NAME", ""),
    URL_PATTERN: ("a URL such as http://mlflow.mlflow:5000", ""),
    REGISTRY_PATTERN: ("a registry and a folder without a scheme, such as registry.example.com/team", ""),
    IMAGE_DIGEST_PATTERN: ("an image's digest: sha256: and 64 of the letters 0-9 and a-f", "a tag may mean other bytes tomorrow"),
    DIGEST_PATTERN: ("a sha256 digest: 64 of the letters 0-9 and a-f", ""),
}
LIMITS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "too_short": ("min_length", "needs at least {} of them"),
    "too_long": ("max_length", "has at most {} of them"),
    "string_too_short": ("min_length", "needs at least {} letters"),
    "string_too_long": ("max_length", "has at most {} letters"),
}


def diagnose(error: ValidationError, model: type[BaseModel], document: Document, ignore: frozenset[Path] = frozenset()) -> list[Diagnostic]:
    """One diagnostic for each place with a problem, except the places to ignore."""
    by_path: dict[Path, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        by_path.setdefault(_path(model, details), []).append(details)
    misspelt = set(_misspelt(by_path, model))
    return [_diagnose(path, details, model, document) for path, details in by_path.items() if path not in ignore and path not in misspelt]


def _misspelt(by_path: Mapping[Path, list[ErrorDetails]], model: type[BaseModel]) -> Iterator[Path]:
    """Missing fields that stand there under another name: the unknown field names them already."""
    for path, (details, *_) in by_path.items():
        if details["type"] == "extra_forbidden":
            meant = nearest(_name(path), _known(follow(model, details["loc"][:-1])))
            missing = by_path.get((*path[:-1], meant), []) if meant else []
            yield from ((*path[:-1], str(meant)) for each in missing if each["type"] == "missing")


def _path(model: type[BaseModel], details: ErrorDetails) -> Path:
    location = details["loc"]
    if location and location[-1] == "[key]":
        return _path_of_key(model, location[:-1])
    if details["type"] in ("extra_forbidden", "missing"):
        return _path_of_key(model, location)
    if details["type"] == "union_tag_invalid":
        return (*follow(model, location).path, details.get("ctx", {})["discriminator"].strip("'"))
    return follow(model, location).path


def _path_of_key(model: type[BaseModel], location: tuple[str | int, ...]) -> Path:
    return (*follow(model, location[:-1]).path, location[-1])


def _diagnose(path: Path, details: list[ErrorDetails], model: type[BaseModel], document: Document) -> Diagnostic:
    first = details[0]
    is_key = first["loc"][-1:] == ("[key]",)
    if len(details) > 1 and all(each["type"] in EXPECTED for each in details):
        expected = list(dict.fromkeys(EXPECTED[each["type"]] for each in details))
        message, hint = _expected(_either(expected), first["input"])
        return document.problem(path, "wrong-type", _without_secret(message, path, first["input"]), hint)
    explain = EXPLAIN.get(first["type"], _anything_else)
    above = first["loc"][:-2] if is_key else first["loc"][:-1]
    code, message, hint = explain(first, follow(model, above), _name(path))
    message = _without_secret(message, path, first["input"])
    return document.problem(path, code, message, hint, key=is_key or code in ("unknown-field", "missing-field"))


def _either(expected: list[str]) -> str:
    """``text, a number, or true or false``: whole numbers are numbers."""
    names = [name for name in expected if name != "a whole number" or "a number" not in expected]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _without_secret(message: str, path: Path, value: Any) -> str:
    return message.replace(value, MASK) if isinstance(value, str) and value and find_secret(_name(path), value) is not None else message


Explained = tuple[str, str, str]
"""Code, message, hint."""


def _extra(details: ErrorDetails, above: Spot, name: str) -> Explained:
    known = _known(above)
    guess = did_you_mean(name, known)
    hint = "" if guess else f"the fields here are {listing(known, 24)}"
    for model in above.models:
        spec = model.model_fields.get("spec")
        if not guess and spec is not None and isinstance(spec.annotation, type) and name in _field_names(spec.annotation):
            hint = f"'{name}' belongs under 'spec'"
    return "unknown-field", f"unknown field '{name}'{guess}", hint


def _known(above: Spot) -> list[str]:
    return [field for model in above.models for field in _field_names(model)]


def _field_names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _missing(details: ErrorDetails, above: Spot, name: str) -> Explained:
    described = [field.description for model in above.models for key, field in model.model_fields.items() if (field.alias or key) == name]
    return "missing-field", f"missing field '{name}'", (described[0] or "") if described else ""


def _wrong_type(details: ErrorDetails, above: Spot, name: str) -> Explained:
    return "wrong-type", *_expected(EXPECTED[details["type"]], details["input"])


def _literal(details: ErrorDetails, above: Spot, name: str) -> Explained:
    key = details["loc"][-1] == "[key]"
    options = _options(above.keys if key else above.below(details["loc"][-1])) or _options([branch.type for branch in above.branches])
    value = details["input"]
    if not isinstance(value, str):
        return "wrong-type", *_expected(f"one of {listing(options)}", value)
    guess = did_you_mean(value, options)
    unknown = f"unknown name {found(value)}" if key else f"unknown value {found(value)} for '{name}'"
    return "unknown-value", f"{unknown}{guess}", f"one of {listing(options, 20)}"


def _options(types: Sequence[Any]) -> list[str]:
    return [str(option) for kind in types if get_origin(kind) is Literal for option in get_args(kind)]


def _limit(details: ErrorDetails, above: Spot, name: str) -> Explained:
    key, words = LIMITS[details["type"]]
    limit = details.get("ctx", {})[key]
    limit = int(limit) if float(limit).is_integer() else limit
    if details["type"] in ("too_short", "string_too_short") and limit == 1:
        return "out-of-range", f"'{name}' must not be empty", ""
    shown = f", found {found(details['input'])}" if not isinstance(details["input"], list | dict | str) else ""
    return "out-of-range", f"'{name}' {words.format(found(limit))}{shown}", ""


def _pattern(details: ErrorDetails, above: Spot, name: str) -> Explained:
    words, hint = PATTERNS.get(cast("dict[str, str]", details.get("ctx", {}))["pattern"], ("another form", ""))
    value = str(details["input"])
    return "wrong-form", f"expected {words}, found {found(value)}", _variable_hint(value) or hint.format(found=value)


def _unknown_tag(details: ErrorDetails, above: Spot, name: str) -> Explained:
    context = cast("dict[str, str]", details.get("ctx", {}))
    options = [option.strip().strip("'") for option in context["expected_tags"].split(",")]
    tag, field = context["tag"], context["discriminator"].strip("'")
    return "unknown-value", f"unknown {field} '{tag}'{did_you_mean(tag, options)}", f"one of {listing(options)}"


def _no_tag(details: ErrorDetails, above: Spot, name: str) -> Explained:
    discriminator = cast("dict[str, str]", details.get("ctx", {}))["discriminator"]
    value = details["input"]
    if "text_or_secret" in discriminator:
        return "wrong-type", *_expected("text, or a secret reference such as {env: NAME}", value)
    if not isinstance(value, dict):
        return "wrong-type", *_expected("a map", value)
    if "step_key" in discriminator:
        return _no_step(list(cast("dict[str, Any]", value)))
    return "missing-field", f"missing field {discriminator}", ""


def _no_step(keys: list[str]) -> Explained:
    steps = [key for key in keys if key in STEP_KEYS]
    if len(steps) > 1:
        return "unknown-field", f"a step has one key, found {' and '.join(repr(step) for step in steps)}", "write a step for each, in the order that you mean"
    guess = did_you_mean(keys[0], STEP_KEYS) if keys else ""
    return "unknown-field", f"unknown step '{keys[0]}'{guess}" if keys else "an empty step", f"a step has one of the keys {listing(STEP_KEYS)}"


def _own_words(details: ErrorDetails, above: Spot, name: str) -> Explained:
    return "wrong-value", str(details.get("ctx", {})["error"]), ""


def _not_finite(details: ErrorDetails, above: Spot, name: str) -> Explained:
    return "out-of-range", f"'{name}' must be a finite number", ""


def _anything_else(details: ErrorDetails, above: Spot, name: str) -> Explained:
    return "wrong-value", f"'{name}' cannot be {found(details['input'])}", ""


EXPLAIN: Mapping[str, Callable[[ErrorDetails, Spot, str], Explained]] = {
    "extra_forbidden": _extra,
    "missing": _missing,
    "literal_error": _literal,
    "string_pattern_mismatch": _pattern,
    "union_tag_invalid": _unknown_tag,
    "union_tag_not_found": _no_tag,
    "value_error": _own_words,
    "finite_number": _not_finite,
    **dict.fromkeys(EXPECTED, _wrong_type),
    **dict.fromkeys(LIMITS, _limit),
}


def _expected(what: str, value: Any) -> tuple[str, str]:
    hint = ""
    if what == "text" and isinstance(value, int | float):
        hint = "put it in quotes"
    elif isinstance(value, str):
        hint = _variable_hint(value) or _number_hint(what, value)
    elif what == "a whole number" and isinstance(value, float) and value.is_integer():
        hint = f"write {int(value)}"
    return f"expected {what}, found {found(value)}", hint


def _number_hint(what: str, value: str) -> str:
    is_number = value.removeprefix("-").replace(".", "", 1).isdecimal()
    return "remove the quotes" if "number" in what and is_number else ""


def _variable_hint(value: str) -> str:
    return f"a variable is written ${{var.{value[2:-1].strip()}}}" if looks_like_variable(value) else ""


def found(value: Any) -> str:
    """A value as a message shows it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.15g}" if isinstance(value, float) and not value.is_integer() else str(value)
        case str():
            return f"'{value if len(value) <= 60 else value[:57] + '...'}'"
        case list():
            return "a list"
        case _:
            return "a map"


def _name(path: Path) -> str:
    if not path:
        return "the object"
    return str(path[-1]) if isinstance(path[-1], str) else str(next((part for part in reversed(path) if isinstance(part, str)), "item"))
