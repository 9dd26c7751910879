"""Moments of a row's life, cron lines, and the words for what is wrong with them."""

import pytest

from mlx_specs.cron import check_cron
from mlx_specs.timeline import Moment, known_by, parse_moment

TIMELINE = ("booking", "departure", "arrival")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("departure", Moment("departure")),
        ("arrival+1h", Moment("arrival", 3600)),
        ("arrival + 90s", Moment("arrival", 90)),
        ("1d", Moment(None, 86400)),
        ("0s", Moment(None, 0)),
    ],
)
def test_moments_are_read_and_written(text: str, moment: Moment) -> None:
    assert parse_moment(text) == moment
    assert parse_moment(str(moment)) == moment


@pytest.mark.parametrize("text", ["", "after lunch", "Departure", "departure+", "+1h", "1", "1h+departure"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="expected an event"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("available", "predict", "known"),
    [
        ("booking", "departure", True),
        ("departure", "departure", True),
        ("arrival", "departure", False),
        ("departure+10m", "departure", False),
        ("departure+10m", "departure+1h", True),
        ("booking+1h", "departure", None),
        ("arrival", "departure+1h", None),
        ("landing", "departure", None),
        ("1d", "departure", None),
        ("1h", "1d", True),
        ("1d", "1h", False),
    ],
)
def test_what_is_known_by_when(available: str, predict: str, known: bool | None) -> None:
    assert known_by(parse_moment(available), parse_moment(predict), TIMELINE) is known


@pytest.mark.parametrize("line", ["0 3 * * *", "*/5 0-6 1,15 jan-mar MON", " 0  3 * * 7 ", "0 0/2 * * sun"])
def test_cron_lines_are_accepted_as_they_are(line: str) -> None:
    assert check_cron(line) == line


@pytest.mark.parametrize(
    "line", ["", "@daily", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *", "1- * * * *", "*/0 * * * *"]
)
def test_what_is_no_cron_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"cron line"):
        check_cron(line)
