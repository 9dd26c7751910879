"""When a cron line of five fields comes next, in UTC. Pure.

Source: crontab(5): with both a day of the month and a day of the week either one is enough.
"""

from datetime import datetime, timedelta

from mlx_specs.cron import DAYS, FIELDS, MONTHS

FAR = 366 * 8
"""Days within which even the 29th of February comes, over a century's turn."""


def next_time(line: str, after: datetime) -> datetime | None:
    """The first minute after a moment; None for a day that never comes, such as the 30th of February."""
    minutes, hours, days, months, weekdays = (_numbers(text, low, high) for text, (_, low, high) in zip(line.split(), FIELDS, strict=True))
    fields = line.split()
    start = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for offset in range(FAR):
        day = start + timedelta(days=offset) if offset == 0 else (start + timedelta(days=offset)).replace(hour=0, minute=0)
        in_month, in_week = day.day in days, day.isoweekday() % 7 in {each % 7 for each in weekdays}
        fits = in_month or in_week if "*" not in (fields[2][0], fields[4][0]) else in_month and in_week
        if day.month in months and fits:
            times = [day.replace(hour=hour, minute=minute) for hour in sorted(hours) for minute in sorted(minutes)]
            later = [each for each in times if each >= day]
            if later:
                return later[0]
    return None


def _numbers(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        begin = low if first == "*" else _number(first)
        end = high if first == "*" or (step and not last) else _number(last or first)
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else {**MONTHS, **DAYS}[text.lower()]
