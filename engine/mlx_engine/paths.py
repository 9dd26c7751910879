"""Property paths as ``ignoreChanges`` and ``replaceOnChanges`` write them: ``a.b[0]["c.d"]``, ``*`` for any key."""

import re
from typing import Any, cast

from mlx_engine.values import is_secret, make_secret

Path = tuple[str | int, ...]

_SEGMENT = re.compile(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\[(\*)\]|\.?([^.\[]+)')


def parse(text: str) -> Path:
    return tuple(_segment(match) for match in _SEGMENT.finditer(text))


def contains(pattern: Path, path: Path) -> bool:
    """Whether ``path`` is at or below ``pattern``."""
    return len(pattern) <= len(path) and all(want in ("*", have) for want, have in zip(pattern, path, strict=False))


def reset(path: Path, old: Any, new: Any, *, secret: bool = False) -> Any:
    """``new`` with what stands at ``path`` taken from ``old``; where the path leads nowhere, ``new`` as it is.

    The path leads through secrets; what is taken out of one (``secret``) stays one.
    """
    if not path:
        return make_secret(old) if secret else old
    if is_secret(new):
        return {**new, "value": reset(path, old["value"] if is_secret(old) else old, new["value"])}
    if is_secret(old):
        return reset(path, old["value"], new, secret=True)
    if isinstance(new, dict) and isinstance(path[0], str):
        return _reset_keys(path, cast("dict[str, Any]", old) if isinstance(old, dict) else {}, cast("dict[str, Any]", new), secret=secret)
    both_lists = isinstance(new, list) and isinstance(old, list)
    return _reset_items(path, cast("list[Any]", old), cast("list[Any]", new), secret=secret) if both_lists else cast("Any", new)


def _segment(match: re.Match[str]) -> str | int:
    index, quoted, star, word = match.groups()
    return int(index) if index is not None else quoted.replace('\\"', '"') if quoted is not None else star or word


def _reset_keys(path: Path, old: dict[str, Any], new: dict[str, Any], *, secret: bool) -> dict[str, Any]:
    head, rest = path[0], path[1:]
    result = dict(new)
    for key in _named(head, old, new, deeper=bool(rest)):
        if not rest and key not in old:
            result.pop(key, None)
        elif not rest or key in new:
            result[key] = reset(rest, old.get(key), new.get(key), secret=secret)
    return result


def _named(head: str | int, old: dict[str, Any], new: dict[str, Any], *, deeper: bool) -> list[str]:
    """The keys that the head of a path names; a star leads deeper only where both have something."""
    if head != "*":
        return [str(head)]
    return sorted(old.keys() & new.keys() if deeper else old.keys() | new.keys())


def _reset_items(path: Path, old: list[Any], new: list[Any], *, secret: bool) -> list[Any]:
    head, rest = path[0], path[1:]
    inside = range(min(len(old), len(new)))
    return [reset(rest, old[at], item, secret=secret) if at in inside and head in ("*", at) else item for at, item in enumerate(new)]
