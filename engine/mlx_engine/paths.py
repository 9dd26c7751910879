"""Property paths as ``ignoreChanges`` and ``replaceOnChanges`` write them: ``a.b[0]["c.d"]``, ``*`` for any key."""

import re
from typing import Any, cast

Path = tuple[str | int, ...]

_SEGMENT = re.compile(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\[(\*)\]|\.?([^.\[]+)')
_ABSENT = object()


def parse(text: str) -> Path:
    return tuple(_segment(match) for match in _SEGMENT.finditer(text))


def contains(pattern: Path, path: Path) -> bool:
    """Whether ``path`` is at or below ``pattern``."""
    return len(pattern) <= len(path) and all(want in ("*", have) for want, have in zip(pattern, path, strict=False))


def reset(path: Path, old: Any, new: Any) -> Any:
    """``new`` with what stands at ``path`` taken from ``old``; where the path leads nowhere, ``new`` as it is."""
    if not path:
        return old
    if isinstance(new, dict):
        before = cast("dict[str, Any]", old) if isinstance(old, dict) else {}
        return _reset_keys(path, before, cast("dict[str, Any]", new))
    both_lists = isinstance(new, list) and isinstance(old, list)
    return _reset_items(path, cast("list[Any]", old), cast("list[Any]", new)) if both_lists else cast("Any", new)


def _segment(match: re.Match[str]) -> str | int:
    index, quoted, star, word = match.groups()
    return int(index) if index is not None else quoted if quoted is not None else star or word


def _reset_keys(path: Path, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    head, rest = path[0], path[1:]
    result = dict(new)
    for key in sorted(old.keys() | new.keys()) if head == "*" else [str(head)]:
        if not rest and key not in old:
            result.pop(key, None)
        elif not rest or key in new:
            result[key] = reset(rest, old.get(key), new.get(key))
    return result


def _reset_items(path: Path, old: list[Any], new: list[Any]) -> list[Any]:
    head, rest = path[0], path[1:]
    inside = range(min(len(old), len(new)))
    return [reset(rest, old[at], item) if at in inside and head in ("*", at) else item for at, item in enumerate(new)]
