"""What `mlx render` writes into a folder, and what it leaves alone there; texts that every reader of YAML takes for texts."""

from pathlib import Path

import pytest
import yaml

from mlx_stacks.errors import UserError
from mlx_stacks.plain_yaml import plain_yaml
from mlx_stacks.rendered_folder import LIST, write_folder


def test_files_of_an_earlier_time_go_and_what_mlx_did_not_write_stays(tmp_path: Path) -> None:
    assert write_folder({"a.yaml": "a", "pipelines/p.yaml": "p"}, tmp_path) == ()
    (tmp_path / "own.yaml").write_text("mine")
    assert write_folder({"a.yaml": "other"}, tmp_path) == ("pipelines/p.yaml",)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LIST, "a.yaml", "own.yaml"]
    assert (tmp_path / "a.yaml").read_text() == "other"


def test_an_earlier_file_that_was_edited_is_kept(tmp_path: Path) -> None:
    write_folder({"a.yaml": "a"}, tmp_path)
    (tmp_path / "a.yaml").write_text("edited")
    assert write_folder({"b.yaml": "b"}, tmp_path) == ()
    assert (tmp_path / "a.yaml").read_text() == "edited"


def test_a_file_that_mlx_did_not_write_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"a\.yaml is there, and mlx has not written it"):
        write_folder({"a.yaml": "a"}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_a_list_that_leads_out_of_the_folder_removes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_folder({"a.yaml": "a"}, out)
    (tmp_path / "b.yaml").write_text("a")
    (out / LIST).write_text((out / LIST).read_text().replace("a.yaml", "../b.yaml"))
    (out / "a.yaml").unlink()
    assert write_folder({"c.yaml": "c"}, out) == ()
    assert (tmp_path / "b.yaml").is_file()


@pytest.mark.parametrize("text", ["1e3", "y", "N", "on", "0123", "1_000", "0x1f", "0o7", "1:30", "2026-11-21", ".5", "~", "null", "", "-1", "+1", ".inf", "1."])
def test_a_text_that_some_reader_takes_for_something_else_is_in_quotes(text: str) -> None:
    assert plain_yaml([{"key": text}]) == f'key: "{text}"\n'


@pytest.mark.parametrize("text", ["500m", "1Gi", "sha256:aa", "v1", "0 3 * * *", "a: b", "# no", "line\nline\n", "trailing \nspace", "é", "-", "12345e"])
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    assert list(yaml.safe_load_all(plain_yaml([{"key": text, text: "key"}]))) == [{"key": text, text: "key"}]


def test_what_stands_twice_is_written_twice() -> None:
    same = {"a": 1}
    assert plain_yaml([{"one": same, "two": same}]) == "one:\n  a: 1\ntwo:\n  a: 1\n"
