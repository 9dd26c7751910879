"""What is checked before a program that tests run against is kept."""

import hashlib
from pathlib import Path

import pytest
from built_tools import check_jars


def line(name: str, content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n"


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    (tmp_path / "a-1.jar").write_bytes(b"a")
    (tmp_path / "b-2.jar").write_bytes(b"b")
    return tmp_path


def test_jars_that_are_those_of_the_table_are_kept(jars: Path) -> None:
    check_jars(jars, line("a-1.jar", b"a") + line("b-2.jar", b"b"))


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (line("a-1.jar", b"a") + line("b-2.jar", b"other"), "b-2.jar"),
        (line("a-1.jar", b"a"), "b-2.jar"),
        (line("a-1.jar", b"a") + line("b-2.jar", b"b") + line("c-3.jar", b"c"), "c-3.jar"),
        ("", "a-1.jar, b-2.jar"),
    ],
    ids=["other bytes", "one too many", "one too few", "no table"],
)
def test_a_jar_that_is_not_the_table_s_is_named(table: str, named: str, jars: Path) -> None:
    with pytest.raises(RuntimeError, match=f"^not the jars that are pinned: {named}$"):
        check_jars(jars, table)
