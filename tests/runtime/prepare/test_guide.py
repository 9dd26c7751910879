"""The guide's example is run as it stands there."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "datasets.md"


def test_the_guide_shows_what_happens(workspace: Any) -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    csv, spec, report = (next(body for kind, body in blocks if kind == wanted) for wanted in ("csv", "yaml", "text"))
    workspace.write("orders.csv", csv)
    definition = json.loads(json.dumps(yaml.safe_load(spec)["spec"], sort_keys=True))  # the engine hands maps over by their names' order
    workspace.prepare(definition, "orders")
    assert workspace.reports == report.splitlines()
