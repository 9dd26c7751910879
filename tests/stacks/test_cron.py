"""When a cron line comes next."""

from datetime import UTC, datetime

import pytest

from mlx_stacks.cron import next_time

NOW = datetime(2026, 11, 21, 21, 20, 30, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("line", "due"),
    [
        ("0 3 * * *", "2026-11-22 03:00"),
        ("30 21 * * *", "2026-11-21 21:30"),
        ("20 21 * * *", "2026-11-22 21:20"),
        ("*/15 * * * *", "2026-11-21 21:30"),
        ("0 3 * * mon-fri", "2026-11-23 03:00"),
        ("0 0 29 feb *", "2028-02-29 00:00"),
        ("0 0 1 * sun", "2026-11-22 00:00"),
        ("0 0 * * 7", "2026-11-22 00:00"),
        ("5 4 10/10 1,dec *", "2026-12-10 04:05"),
        ("0 0 30 2 *", ""),
    ],
)
def test_the_next_minute_after_a_moment(line: str, due: str) -> None:
    found = next_time(line, NOW)
    assert (f"{found:%Y-%m-%d %H:%M}" if found else "") == due
