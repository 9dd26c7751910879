"""The real pulumi CLI on what the embedded host applied: our provider as an executable, our state as its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import UserWorkspace

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="needs the pulumi CLI on PATH")
PROVIDERS = str(Path(sys.executable).parent)
"""Where pulumi-resource-mlx was installed beside the interpreter."""


def variables(workspace: UserWorkspace) -> dict[str, str]:
    return {
        "PATH": f"{PROVIDERS}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{workspace.root}/.mlx/state",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": f"{workspace.root}/.pulumi-home",
    }


def test_mlx_plan_with_the_cli_as_host_says_no_changes(tumours: UserWorkspace) -> None:
    said = tumours.mlx("plan", "--detailed-exitcode", env={"MLX_HOST": "pulumi", "PATH": variables(tumours)["PATH"]})
    assert said.out == "No changes: environment local is as the specs say (5 objects).\n"


def test_the_cli_lists_our_stack_and_refreshes_it_without_a_change(tumours: UserWorkspace) -> None:
    environment = {**os.environ, **variables(tumours)}
    pulumi = [shutil.which("pulumi") or "", "--non-interactive", "--cwd", str(tumours.root)]
    listed = subprocess.run([*pulumi, "stack", "ls"], env=environment, capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines()[1].split()[0] == "local"
    refreshed = subprocess.run(
        [*pulumi, "refresh", "--stack", "local", "--preview-only", "--expect-no-changes"], env=environment, capture_output=True, text=True, check=False
    )
    assert refreshed.returncode == 0, refreshed.stdout + refreshed.stderr


def test_a_change_applied_by_the_cli_is_no_change_for_the_embedded_host(tumours: UserWorkspace) -> None:
    tumours.edit("specs/objects.yaml", "max_depth: 5", "max_depth: 6")
    tumours.mlx("apply", "--yes", env={"MLX_HOST": "pulumi", "PATH": variables(tumours)["PATH"]})
    assert tumours.plan() == {}
    assert tumours.status()["Inference/malignant-api"]["fields"]["version"] == "2"
