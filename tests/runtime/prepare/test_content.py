"""The content digest follows the rows and nothing else; the folder is committed whole."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlx_runtime.prepare.folder import remove, set_about, verified

COLUMNS = {"a": {"type": "integer"}, "b": {"type": "float"}, "c": {"type": "string"}}
ROW = st.tuples(st.integers(0, 5), st.one_of(st.none(), st.sampled_from([0.0, -0.0, 0.1, 0.2, 1e300])), st.sampled_from(["", "x", "yé"]))


def csv(rows: list[tuple[int, float | None, str]]) -> str:
    return "a,b,c\n" + "".join(f"{a},{'' if b is None else b},{c}\n" for a, b, c in rows)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=12), seed=st.integers(0, 99))
def test_shuffled_rows_give_the_same_digest_through_sums_and_fills(workspace: Any, rows: list[tuple[int, float | None, str]], seed: int) -> None:
    spec: dict[str, Any] = {"columns": COLUMNS, "keys": ["a"], "prepare": [{"deduplicate": {"keys": ["a", "b", "c"]}}]}
    if any(b is not None for _, b, _ in rows):
        spec["prepare"].append({"missing": {"columns": ["b"], "strategy": "mean"}})
    spec["prepare"].append({"sql": "select a, c, b, sum(b) over (partition by a) as total, row_number() over () as place from source"})
    first = workspace.csv(csv(rows), **spec)
    shuffled = random.Random(seed).sample(rows, len(rows))
    second = workspace.csv(csv(shuffled), **spec)
    assert (first.content_digest, first.rows) == (second.content_digest, second.rows)


def test_the_digest_tells_apart_what_differs(workspace: Any) -> None:
    contents = ["a,c\n1,x\n", "a,c\n1,y\n", "a,c\n1,\n", "a,c\n1,x\n1,x\n", "a,d\n1,x\n", "c,a\nx,1\n", "a,c\n1,xy\n2,\n", "a,c\n1,x\n2,y\n"]
    digests = [workspace.csv(content).content_digest for content in contents]
    typed = workspace.csv(contents[0], columns={"a": {"type": "float"}, "c": {}}).content_digest
    assert len({*digests, typed}) == len(contents) + 1


def test_the_digest_is_what_it_was_when_this_was_written(workspace: Any) -> None:
    """A change of this value retrains every model of every user: it needs a reason and a note."""
    content = "i,f,s,b,t,d\n1,0.5,é,true,2013-01-02T10:00:00Z,2013-01-02\n,,,,,\n"
    types = {"i": "integer", "f": "float", "s": "string", "b": "boolean", "t": "timestamp", "d": "date"}
    outputs = workspace.csv(content, columns={name: {"type": type} for name, type in types.items()})
    assert outputs.content_digest == "8ea9c8f779f42db2607b96381740517dd194e966ba578b95b6ecd708c639559f"


def test_the_parquet_file_has_plain_types_in_canonical_order(workspace: Any) -> None:
    content = "s,t,d,i\nb,2013-01-02T10:00:00Z,2013-01-02,2\na,2013-01-02 11:00,2013-01-03,\n"
    types = {"s": "string", "t": "timestamp", "d": "date", "i": "integer"}
    outputs = workspace.csv(content, keys=["i"], columns={name: {"type": type} for name, type in types.items()})
    table = pyarrow.parquet.read_table(workspace.root / outputs.path)
    assert table.schema.types == [pyarrow.string(), pyarrow.timestamp("us", tz="UTC"), pyarrow.date32(), pyarrow.int64()]
    assert table.to_pylist() == [
        {"s": "a", "t": datetime(2013, 1, 2, 11, tzinfo=UTC), "d": date(2013, 1, 3), "i": None},
        {"s": "b", "t": datetime(2013, 1, 2, 10, tzinfo=UTC), "d": date(2013, 1, 2), "i": 2},
    ]


def test_the_same_content_keeps_its_data_file_and_takes_the_new_steps_rejects(workspace: Any) -> None:
    first = workspace.csv("a\n1\n", columns={"a": {"type": "integer"}})
    stamp = (workspace.root / first.path).stat().st_mtime_ns
    second = workspace.csv("a\n1\n1\n", columns={"a": {"type": "integer"}}, prepare=[{"deduplicate": {}}])
    assert (second.path, second.rejected, len(workspace.rejected(second))) == (first.path, 1, 1)
    assert (workspace.root / first.path).stat().st_mtime_ns == stamp
    assert verified(workspace.folder(second))


def test_a_damaged_folder_is_noticed_and_made_again(workspace: Any) -> None:
    outputs = workspace.csv("a\n1\n")
    data = workspace.root / outputs.path
    data.write_bytes(data.read_bytes()[:-1])
    assert not verified(workspace.folder(outputs))
    again = workspace.csv("a\n1\n")
    assert again.path == outputs.path
    assert verified(workspace.folder(again))


def test_the_manifest_says_what_the_folder_holds_and_whose_it_is(workspace: Any) -> None:
    outputs = workspace.csv("a\n1\n")
    manifest = workspace.manifest(outputs)
    assert {key: manifest[key] for key in ("dataset", "contentDigest", "rows", "rejected", "columns", "about")} == {
        "dataset": "d", "contentDigest": outputs.content_digest, "rows": 1, "rejected": 0, "columns": [{"name": "a", "type": "integer"}],
        "about": {"description": "", "owner": "data-engineering", "labels": {}, "timeline": [], "columns": {}},
    }  # fmt: skip
    set_about(workspace.folder(outputs), {"owner": "other"})
    assert workspace.manifest(outputs)["about"] == {"owner": "other"}
    assert verified(workspace.folder(outputs))
    remove(workspace.folder(outputs).parent)
    assert not workspace.folder(outputs).exists()


PROGRAM = """
import json, sys
from pathlib import Path
from mlx_runtime.prepare.dataset import prepare
from mlx_specs.dataset_resources import PreparedDatasetInputs
spec = {"source": {"type": "csv", "path": "big.csv"}, "prepare": [{"sql": "select *, sum(a) over (order by b, a) as s from source"}]}
print(prepare(PreparedDatasetInputs(name="d", home=".mlx/local", definition=spec), Path(sys.argv[1]), lambda line: print(line, flush=True)).content_digest)
"""


def test_a_kill_at_any_moment_leaves_all_or_nothing_and_the_next_run_cleans_up(workspace: Any) -> None:
    workspace.write("big.csv", "a,b\n" + "".join(f"{n},{n % 97}\n" for n in range(60_000)))
    dataset: Path = workspace.root / ".mlx/local/datasets/d"
    for wanted in ("read", "step", "checks"):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(workspace.root)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if wanted in line:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        whole = [path for path in dataset.iterdir() if not path.name.startswith(".")]
        assert all(verified(path) for path in whole)
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(workspace.root)], capture_output=True, text=True, check=True)
    assert time.monotonic() - start < 60
    digest = done.stdout.splitlines()[-1]
    assert sorted(path.name for path in dataset.iterdir()) == sorted([".lock", digest])
    assert json.loads((dataset / digest / "manifest.json").read_text())["rows"] == 60_000
