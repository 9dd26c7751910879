"""Tests are imported by file: what these share stands beside them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # at the end: other folders have modules that are imported by name
sys.path.append(str(Path(__file__).parents[2] / "invariants"))
