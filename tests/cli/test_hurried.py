"""A command line's process does not load or search what it has no use for."""

import json
import subprocess
import sys

CODE = """
import gc, json, sys
from mlx_cli.hurried import hurried
with hurried():
    import pulumi
    unread = "pulumi.automation._stack" not in sys.modules
    stack = pulumi.automation.Stack.__name__
print(json.dumps([unread, stack, "pulumi.automation._stack" in sys.modules, gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1_000]))
"""


def test_the_automation_api_is_loaded_when_it_is_looked_at_and_nothing_is_left_to_search_at_the_end() -> None:
    said = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == [True, "Stack", True, True, True]
