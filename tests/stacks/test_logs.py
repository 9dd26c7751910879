"""Logs that grow while they are read: whole lines only, none lost and none twice."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mlx_specs.base import Metadata
from mlx_specs.environment import Environment, EnvironmentSpec, KubernetesTarget
from mlx_stacks.logs import Followed, Log, last_lines, newest_log, why_none
from mlx_stacks.workspace import open_workspace


def server_log(root: Path) -> Path:
    path = root / ".mlx" / "local" / "endpoints" / "api" / "server.log"
    path.parent.mkdir(parents=True)
    return path


def test_what_is_there_comes_first_then_each_line_when_it_is_whole(tiny: Path) -> None:
    log = server_log(tiny)
    log.write_text("one\ntwo\nthr")
    followed = Followed(open_workspace(tiny), "Inference/api")
    assert followed.begin(1, None) == ["two"]
    assert followed.more() == []
    with log.open("a") as file:
        file.write("ee\nfour\n")
    assert followed.more() == ["three", "four"]
    log.write_text("anew\n")
    assert followed.more() == ["anew"]


def test_a_log_that_is_not_there_yet_is_read_from_its_beginning(tiny: Path) -> None:
    followed = Followed(open_workspace(tiny), "Inference/api")
    assert (followed.begin(10, None), followed.found, followed.more()) == ([], False, [])
    server_log(tiny).write_text("one\n")
    assert (followed.more(), followed.found) == (["one"], True)


def test_since_takes_the_lines_of_a_moment_with_those_that_belong_to_them(tiny: Path) -> None:
    log = server_log(tiny)
    log.write_text("2013-10-01 10:00:00,000 INFO a\n  of a\n2013-10-01 11:00:00,000 INFO b\n  of b\n")
    assert last_lines(log, 10, datetime(2013, 10, 1, 10, 30)) == ["2013-10-01 11:00:00,000 INFO b", "  of b"]
    assert last_lines(log, 1) == ["  of b"]


def test_an_object_without_a_log_has_none(tiny: Path) -> None:
    assert [newest_log(open_workspace(tiny), id) for id in ("Inference/api", "Model/m", "Dataset/rows")] == [None, None, None]


def test_on_a_cluster_every_object_whose_pods_have_no_readable_log_is_told(tiny: Path) -> None:
    target = KubernetesTarget.model_construct(type="kubernetes")
    on_cluster = Environment.model_construct(metadata=Metadata.model_construct(name="dev"), spec=EnvironmentSpec.model_construct(target=target))
    workspace = replace(open_workspace(tiny), environment=on_cluster)
    logs = [Log("Dataset/rows", "rows-1/mlx", [], "no node"), Log("Model/m", "m-1/mlx", ["fitted"]), Log("Notebook/n", "n-1/n", [], "not started")]
    assert why_none(workspace, ["Dataset/rows", "Notebook/n"], logs) == (
        "Dataset/rows: pod rows-1/mlx has no log that can be read: no node; Notebook/n: pod n-1/n has no log that can be read: not started",
        "the API server asks the node for it: is the node there?",
    )
