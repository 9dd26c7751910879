"""``${var.NAME}``: a whole value keeps the variable's type; within a text it is put in as text. ``$${`` stands for ``${``.

A value and the environment's variables enter; a new value leaves, and the references that nobody has set.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

Path = tuple[str | int, ...]
Variables = Mapping[str, str | int | float | bool]

REFERENCE = re.compile(r"(\$?)\$\{\s*var\.\s*([^}\s]*)\s*\}")
WRONG_REFERENCE = re.compile(r"^\$\{\s*(?!var\.)[\w.-]+\s*\}$")


@dataclass
class Substitution:
    """What came of putting variables into a value."""

    value: Any = None
    unset: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    used: set[str] = field(default_factory=set[str])


def substitute(value: Any, variables: Variables) -> Substitution:
    """The value with its variables put in; references that are not set stay as they are and are listed."""
    result = Substitution()
    result.value = _substitute(value, (), variables, result)
    return result


def _substitute(value: Any, path: Path, variables: Variables, result: Substitution) -> Any:
    if isinstance(value, str):
        return _in_text(value, path, variables, result) if "${" in value else value
    if isinstance(value, dict):
        return {key: _substitute(item, (*path, key), variables, result) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_substitute(item, (*path, index), variables, result) for index, item in enumerate(cast("list[Any]", value))]
    return value


def _in_text(text: str, path: Path, variables: Variables, result: Substitution) -> Any:
    whole = REFERENCE.fullmatch(text)
    if whole is not None and not whole[1]:
        return _look_up(whole, path, variables, result)

    def put_in(match: re.Match[str]) -> str:
        return match[0][1:] if match[1] else spell(_look_up(match, path, variables, result))

    return REFERENCE.sub(put_in, text)


def _look_up(match: re.Match[str], path: Path, variables: Variables, result: Substitution) -> Any:
    name = match[2]
    if name in variables:
        result.used.add(name)
        return variables[name]
    result.unset.append((path, name))
    return match[0]


def spell(value: Any) -> str:
    """A variable's value within a text, as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def names_in(text: str) -> list[str]:
    """The variables that a text refers to."""
    return [match[2] for match in REFERENCE.finditer(text) if not match[1]]


def looks_like_variable(text: str) -> bool:
    """Whether a text is what people write when they mean a variable and miss its form."""
    return WRONG_REFERENCE.match(text) is not None
