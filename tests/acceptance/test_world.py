"""What machines and the world do to an apply: each time one clear word with the resource, and a way out; what was done is kept.

One workspace for the file, applied once. Real processes meet real limits: a full disk is a tmpfs or a limit on the size of
files, a folder that cannot be written a mount, for root is not stopped by permissions.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
from contextlib import closing
from typing import Any

import pytest
from end_state import end_state
from tiny_workspace import tiny_workspace
from workspaces import Adopt, Said, UserWorkspace, edited

SPECS, DATA = "specs/tiny.yaml", "data/tumours.csv"
YEAR = 365 * 24 * 3600
MOUNTS = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0 if shutil.which("unshare") else False
needs_mounts = pytest.mark.skipif(not MOUNTS, reason="this system lets no user mount in a namespace of their own (unshare -rm)")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, adopt: Adopt) -> UserWorkspace:
    workspace = adopt(tiny_workspace(tmp_path_factory.mktemp("world") / "tiny"))
    workspace.mlx("apply", "--yes")
    return workspace


def under(workspace: UserWorkspace, shell: str, *args: str, code: int = 1) -> Said:
    """`mlx` after lines of bash that set a limit, or in a namespace of its own where they mount."""
    script = f"{shell}; exec {shlex.join(workspace.command(*args))}"
    own = ["unshare", "-rm"] if "mount" in shell else []
    done = subprocess.run([*own, "bash", "-ec", script], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def test_files_that_may_not_grow_are_named_and_nothing_is_changed(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    with edited(tiny, SPECS, "atLeast: 0.6", "atLeast: 0.55"):
        said = under(tiny, "ulimit -f 8", "apply", "--yes").err
        state = tiny.root / ".mlx/state/.pulumi/stacks/tiny/local.json.bak"
        assert said.endswith(f"error: cannot write {state}: File too large\n  hint: raise the limit on the size of files (ulimit -f), then run it again\n")
        assert end_state(tiny.root, "tiny") == before
        assert set(tiny.plan()) == {"Model/tumour"}


@needs_mounts
def test_a_full_disk_is_said_of_the_resource_that_found_it(tiny: UserWorkspace) -> None:
    with edited(tiny, DATA, "\n0,10,15,false", "\n0,10,16,false"):
        said = under(tiny, "mount -t tmpfs -o size=4k tmpfs .mlx/local/datasets", "apply", "--yes").err
        assert said.endswith(f"error: Dataset/tumours: the disk is full\n  hint: free some space for {tiny.root}/.mlx/local/datasets/tumours\n")
    assert tiny.plan() == {}


@needs_mounts
def test_a_read_only_folder_is_named_and_looking_still_works(tiny: UserWorkspace) -> None:
    read_only = "mount --bind .mlx .mlx; mount -o remount,ro,bind .mlx"
    with edited(tiny, SPECS, "atLeast: 0.6", "atLeast: 0.55"):
        said = under(tiny, read_only, "apply", "--yes").err
        assert f"error: cannot write {tiny.root}/.mlx/state/.pulumi/locks/" in said
        assert said.endswith(": Read-only file system\n  hint: mlx writes below .mlx in the workspace; mlx doctor says what is in the way\n")
        assert f"bad  folder     {tiny.root}/.mlx cannot be written" in under(tiny, read_only, "doctor").out
        assert "Model/tumour" in under(tiny, read_only, "plan", code=0).out
        assert "Ready" in under(tiny, read_only, "status", code=0).out


def test_a_file_where_a_folder_must_be_is_named_and_once_it_is_away_apply_goes_on(tiny: UserWorkspace) -> None:
    before, folder = end_state(tiny.root, "tiny"), tiny.root / ".mlx/local/predictions"
    shutil.rmtree(folder)
    folder.write_text("not a folder")
    try:
        tiny.mlx("refresh", code=4)
        said = tiny.mlx("apply", "--yes", code=1).err
        assert f"error: Inference/tumour-batch: inference 'tumour-batch': {folder}/tumour-batch: Not a directory\n" in said
        assert said.endswith("  hint: mlx doctor looks at what is in the way; make room or move it away, then apply\n")
    finally:
        folder.unlink()
    tiny.mlx("apply", "--yes")
    assert end_state(tiny.root, "tiny") == before


def test_a_clock_that_jumped_back_a_year_changes_nothing_and_hides_no_change(tiny: UserWorkspace) -> None:
    """What was written before the jump bears times of the future."""
    for path in [*tiny.root.rglob("*")]:
        if path.is_file():
            facts = path.stat()
            os.utime(path, (facts.st_atime + YEAR, facts.st_mtime + YEAR))
    for entry in (tiny.root / ".mlx/state/.pulumi/history/tiny/local").iterdir():
        stem, _, suffix = entry.name.partition(".")
        entry.rename(entry.with_name(f"local-{int(stem.rpartition('-')[2]) + YEAR * 10**9}.{suffix}"))
    assert tiny.plan() == {}
    with edited(tiny, DATA, "\n0,10,15,false", "\n0,10,16,false"):
        assert tiny.plan()["Dataset/tumours"]["action"] == "update"
    with edited(tiny, SPECS, "atLeast: 0.6", "atLeast: 0.55"):
        tiny.mlx("apply", "--yes")
    tiny.mlx("apply", "--yes")
    assert tiny.plan() == {}


def test_what_runs_left_can_be_deleted(tiny: UserWorkspace) -> None:
    before, runs = end_state(tiny.root, "tiny"), tiny.root / ".mlx/local/runs"
    kept = runs.rename(runs.with_name("kept"))
    try:
        assert tiny.plan() == {}
        assert "Model/tumour has no log in environment local" in tiny.mlx("logs", "tumour", code=1).err
        tiny.mlx("apply", "--yes")
        assert end_state(tiny.root, "tiny") == before
    finally:
        shutil.rmtree(runs, ignore_errors=True)
        kept.rename(runs)


def test_a_registry_that_was_deleted_is_said_to_be_lost_and_filled_again_from_what_runs_kept(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    shutil.rmtree(tiny.root / ".mlx/local/mlflow")
    said = tiny.mlx("apply", "--yes").err
    assert "the registry lost its version" in said
    assert "step 1/" not in said
    assert end_state(tiny.root, "tiny") == before
    assert tiny.plan() == {}


def test_what_a_kill_left_half_written_in_the_registry_is_rolled_back_by_the_next_look(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    code = "import sqlite3, os; c = sqlite3.connect('.mlx/local/mlflow/mlflow.db', isolation_level=None)\n"
    code += "c.execute('pragma cache_size = 2'); c.execute('pragma cache_spill = 1'); c.execute('begin exclusive')\n"
    code += "c.execute('create table half (x)')\nfor _ in range(200): c.execute('insert into half values (zeroblob(4000))')\n"
    code += "c.execute('update model_versions set version = 9'); os.kill(os.getpid(), 9)"
    subprocess.run(["python3", "-c", code], cwd=tiny.root, check=False)
    assert (tiny.root / ".mlx/local/mlflow/mlflow.db-journal").stat().st_size > 0
    assert tiny.plan() == {}
    assert end_state(tiny.root, "tiny") == before


def test_a_foreign_process_on_the_endpoints_port_is_named_with_what_is_done_and_what_to_do(tiny: UserWorkspace) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as foreign:
        port = foreign.getsockname()[1]
        with edited(
            tiny, SPECS, "spec: {mode: realtime, model: tumour@champion}", f"spec: {{mode: realtime, model: tumour@champion, realtime: {{port: {port}}}}}"
        ):
            said = tiny.mlx("apply", "--yes", code=1).err
            assert f"error: Inference/tumour-api: inference 'tumour-api': port {port} of 127.0.0.1 is taken by another process\n  hint: " in said
            assert tiny.status()["Inference/tumour-api"]["status"] == "Ready"
            foreign.close()
            tiny.mlx("apply", "--yes")
            assert tiny.status()["Inference/tumour-api"]["fields"]["url"] == f"http://127.0.0.1:{port}"
    tiny.mlx("apply", "--yes")


def test_a_damaged_artifact_is_refused_by_its_digest_and_packaged_again(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    path = next((tiny.root / ".mlx/local/models").rglob("model.onnx"))
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.kill(tiny.status()["Inference/tumour-api"]["fields"]["pid"], signal.SIGKILL)
    said = tiny.mlx("apply", "--yes", code=1).err
    assert "the file is corrupted\n  hint: mlx refresh, then mlx apply: the model is packaged again\n" in said
    tiny.mlx("refresh", code=4)
    tiny.mlx("apply", "--yes")
    assert end_state(tiny.root, "tiny") == before


def test_damaged_state_is_named_with_the_command_that_brings_it_back(tiny: UserWorkspace) -> None:
    before, checkpoint = end_state(tiny.root, "tiny"), tiny.root / ".mlx/state/.pulumi/stacks/tiny/local.json"
    checkpoint.write_text("{")
    said = tiny.mlx("apply", "--yes", code=1).err
    first, hint = said.splitlines()[-2:]
    assert first == f"error: {checkpoint}: the state is damaged: not a checkpoint in JSON"
    said, _, command = hint.strip().removeprefix("hint: ").partition(": ")
    assert said == "restore it, then apply"
    subprocess.run(command, shell=True, check=True)
    assert tiny.plan() == {}
    assert end_state(tiny.root, "tiny") == before


def test_a_database_that_refuses_is_named_without_its_password(tiny: UserWorkspace) -> None:
    refusing = "source: {type: sql, url: {env: SHOP}, query: select * from tumours}"
    with edited(tiny, SPECS, "source: {type: csv, path: data/tumours.csv}", refusing):
        said = tiny.mlx("apply", "--yes", code=1, env={"SHOP": "postgresql://me:geheim@127.0.0.1:1/shop"})
        assert "error: Dataset/tumours: PostgreSQL 127.0.0.1:1: connection failed: " in said.err
        assert said.err.endswith("\n  hint: check that it runs, and the url\n")
        assert "geheim" not in said.out + said.err
        assert tiny.status()["Inference/tumour-api"]["status"] == "Ready"
    assert tiny.plan() == {}


def test_a_training_without_enough_memory_says_so_and_what_was_done_is_kept(tiny: UserWorkspace) -> None:
    before = end_state(tiny.root, "tiny")
    with (
        edited(tiny, DATA, "\n0,10,15,false", "\n0,10,16,false"),
        edited(tiny, SPECS, "parameters: {C: 1.0}", "parameters: {C: 1.0}\n  compute: {memory: 100Mi}"),
    ):
        said = tiny.mlx("apply", "--yes", code=1).err
        assert "error: Model/tumour: " in said and "out of memory; the limit is 100Mi" in said
        assert "hint: raise compute.memory" in said
        assert "already done: Dataset/tumours prepare; the next mlx apply goes on from there" in said
        assert "Dataset/tumours" not in tiny.plan()
        assert tiny.status()["Inference/tumour-api"]["status"] == "Ready"
    tiny.mlx("apply", "--yes")
    assert without_files(end_state(tiny.root, "tiny")) == without_files(before)


def without_files(state: dict[str, Any]) -> dict[str, Any]:
    """What earlier data left in the store, a destroy removes with its dataset."""
    return {part: state[part] for part in ("resources", "registry")}


INTERRUPTED = ("prepare", "judge", "score")


@pytest.mark.parametrize("doing", INTERRUPTED)
def test_ctrl_c_says_what_is_done_and_the_next_apply_trains_nothing_again(doing: str, tiny: UserWorkspace) -> None:
    tiny.mlx("apply", "--yes")
    before = end_state(tiny.root, "tiny")
    tiny.mlx("destroy", "--yes")
    with subprocess.Popen(tiny.command("apply", "--yes"), cwd=tiny.root, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as apply:
        assert apply.stderr is not None
        next(line for line in apply.stderr if line.rstrip().endswith(f" {doing}") and line.startswith("  + ") and "=>" not in line)
        apply.send_signal(signal.SIGINT)
        said, told = apply.communicate(timeout=60)
    assert (apply.returncode, said) == (130, "")
    nothing_yet = doing == "prepare" and told.splitlines()[-2] == "interrupted: nothing was finished by then"
    assert nothing_yet or told.splitlines()[-2].startswith("interrupted: already done: ")
    assert told.splitlines()[-1] == "  hint: run it again: it goes on from there"
    assert "step 1/" not in tiny.mlx("apply", "--yes").err
    assert without_files(end_state(tiny.root, "tiny")) == without_files(before)
