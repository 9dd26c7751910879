"""What all tests share: recorded outputs ("goldens"), compared by default and rewritten only by ``--update``."""

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the recorded outputs instead of comparing with them")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden("plan.txt", text)`` compares with ``goldens/plan.txt`` beside the test's file."""
    folder = Path(request.path).parent / "goldens"
    update = bool(request.config.getoption("--update"))

    def compare(name: str, actual: str) -> None:
        recorded = folder / name
        if update:
            recorded.parent.mkdir(parents=True, exist_ok=True)
            recorded.write_text(actual, encoding="utf-8")
        expected = recorded.read_text(encoding="utf-8") if recorded.is_file() else ""
        if actual != expected:
            lines = difflib.unified_diff(expected.splitlines(), actual.splitlines(), "recorded", "now", lineterm="")
            pytest.fail(f"{recorded.name} differs; look at it, then run pytest --update\n" + "\n".join(lines), pytrace=False)

    return compare
