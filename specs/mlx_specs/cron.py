"""Cron lines of five fields, as schedules write them: minute, hour, day of the month, month, day of the week, in UTC.

Text enters; it leaves unchanged, or a ValueError says which field is wrong. Knows no clock.
"""

import re
from collections.abc import Mapping

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
MONTHS = {name: number for number, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
NAMES: Mapping[str, Mapping[str, int]] = {"month": MONTHS, "day of the week": DAYS}
PART = re.compile(r"^(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,3}))?$")


def check_cron(line: str) -> str:
    """The line itself; ValueError, in the user's words, where it is not a cron line."""
    fields = line.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"expected a cron line of five fields such as '0 3 * * *', found '{line}'")
    for text, (name, low, high) in zip(fields, FIELDS, strict=True):
        for part in text.split(","):
            _check_part(part, name, low, high)
    return line


def _check_part(part: str, name: str, low: int, high: int) -> None:
    match = PART.match(part)
    if match is None:
        raise ValueError(f"the {name} of a cron line cannot be '{part}'")
    first, last = (_number(match[group], name) for group in ("first", "last"))
    if any(number is not None and not low <= number <= high for number in (first, last)):
        raise ValueError(f"the {name} of a cron line is {low} to {high}, found '{part}'")
    if first is not None and last is not None and first > last:
        raise ValueError(f"the {name} of a cron line counts upwards, found '{part}'")
    if match["step"] is not None and int(match["step"]) == 0:
        raise ValueError(f"the step of the {name} of a cron line is at least 1, found '{part}'")


def _number(text: str | None, name: str) -> int | None:
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    number = NAMES.get(name, {}).get(text.lower())
    if number is None:
        raise ValueError(f"the {name} of a cron line cannot be '{text}'")
    return number
