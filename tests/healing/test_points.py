"""A drawn sample of the points where an update can be struck; `make heal` strikes all of them.

In a process of its own: children that begin with everything imported need a parent without threads.
"""

import subprocess
import sys
from pathlib import Path

HEAL = Path(__file__).parent / "heal.py"
SAMPLE = ["--seed", "2013", "--only", "plain", "replaced", "delete-first", "--programs", "30", "--places", "tiny", "--count", "6"]


def test_after_a_fault_at_any_of_thirty_six_points_one_apply_reaches_the_undisturbed_end(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(HEAL), "--folder", str(tmp_path / "heal"), *SAMPLE], capture_output=True, text=True, check=False)
    told = done.stdout.splitlines()
    assert done.returncode == 0, "\n".join([line for line in told if not line.startswith(("healed", "missed"))] + [done.stderr])
    struck = [line for line in told if line.startswith(("healed", "missed"))]
    assert len(struck) == 36
    assert sum(line.startswith("healed") for line in struck) > 32, "\n".join(struck)
