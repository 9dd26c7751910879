"""Tests are imported by file: what these share stands beside them, and some of it beside the engine's and the acceptance tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engine")]
