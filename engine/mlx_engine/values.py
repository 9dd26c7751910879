"""Property values in the form that crosses the wire and stands in state: plain JSON, marked by signatures.

A secret is ``{SIGNATURE: SECRET_SIGNATURE, "value": ...}``, an unknown is the string ``UNKNOWN``, a reference to a resource
is a signed map. Nothing here knows protobuf, files or providers.
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from mlx_engine.host import SECRET, UNKNOWN, Unsupported

Values = dict[str, Any]

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

REFUSED_SIGNATURES = {
    "c44067f5952c0a294b673a41bacd8c17": "an asset",
    "0def7320c3a5731c473e5ecbe6d01bc7": "an archive",
    OUTPUT_SIGNATURE: "an output value",
}
UNSEEN = {UNKNOWN, ""}
"""What the id of a resource that does not exist yet looks like."""


def signature(value: Any) -> str | None:
    """The signature of a signed map, else None."""
    return cast("Values", value).get(SIGNATURE) if isinstance(value, dict) else None


def make_secret(value: Any) -> Any:
    return value if is_secret(value) else {SIGNATURE: SECRET_SIGNATURE, "value": value}


def is_secret(value: Any) -> bool:
    return signature(value) == SECRET_SIGNATURE


def has_secret(value: Any) -> bool:
    return is_secret(value) or any(has_secret(child) for child in _children(value))


def has_unknown(value: Any) -> bool:
    return (isinstance(value, str) and value == UNKNOWN) or any(has_unknown(child) for child in _children(value))


def revealed(value: Any) -> Any:
    """The same value without its secret marks, at any depth."""
    if isinstance(value, dict):
        mapping = cast("Values", value)
        return revealed(mapping.get("value")) if is_secret(mapping) else {key: revealed(item) for key, item in mapping.items()}
    return [revealed(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def redacted(value: Any) -> Any:
    """The same value as a person may see it: every secret is ``SECRET``."""
    if isinstance(value, dict):
        mapping = cast("Values", value)
        return SECRET if is_secret(mapping) else {key: redacted(item) for key, item in mapping.items() if key != "__internal"}
    return [redacted(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def without_references(value: Any) -> Any:
    """Each reference to a resource becomes its id, or its urn where it has none: what a provider that accepts none expects."""
    if isinstance(value, dict):
        mapping = cast("Values", value)
        if signature(mapping) == RESOURCE_SIGNATURE:
            return mapping.get("id") or mapping.get("urn")
        return {key: without_references(item) for key, item in mapping.items()}
    return [without_references(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def keep_secret(answer: Values, asked: Mapping[str, Any]) -> Values:
    """Marks in a provider's answer what was secret in what it was asked with, so that no provider can lose a secret."""
    return {key: _kept(value, asked[key]) if key in asked else value for key, value in answer.items()}


def _kept(value: Any, asked: Any) -> Any:
    if is_secret(value) or not has_secret(asked):
        return value
    both_maps = isinstance(value, dict) and isinstance(asked, dict) and not is_secret(asked)
    return keep_secret(cast("Values", value), cast("Values", asked)) if both_maps else make_secret(value)


def refuse_unsupported(value: Any, where: str) -> None:
    """Raises ``Unsupported`` for what this host cannot carry: assets, archives, output values."""
    mark = signature(value)
    if mark in REFUSED_SIGNATURES:
        raise Unsupported(f"{where}: {REFUSED_SIGNATURES[mark]} as a property needs the pulumi CLI", hint="pass text or a path instead")
    for child in _children(value):
        refuse_unsupported(child, where)


def differing_paths(old: Any, new: Any) -> list[str]:
    """The property paths at which two values differ, sorted; secret marks left aside, and a key that is null is one that is not there."""
    return sorted(_differences(revealed(old), revealed(new), ""))


def equal(old: Any, new: Any) -> bool:
    return next(_differences(revealed(old), revealed(new), ""), None) is None


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Values", old), cast("Values", new)
        for key in before.keys() | after.keys():
            yield from _differences(before.get(key), after.get(key), joined(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(cast("list[Any]", old), cast("list[Any]", new), path)
    elif isinstance(old, bool) != isinstance(new, bool) or old != new:
        yield path


def _list_differences(old: list[Any], new: list[Any], path: str) -> Iterator[str]:
    for index in range(max(len(old), len(new))):
        before = old[index] if index < len(old) else _ABSENT
        after = new[index] if index < len(new) else _ABSENT
        yield from _differences(before, after, f"{path}[{index}]")


def joined(path: str, key: str) -> str:
    """A property path one key deeper, written as Pulumi writes it: ``a.b[0]["c.d"]``."""
    if not key or any(sign in key for sign in '.["'):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("Values", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else []


_ABSENT = object()
