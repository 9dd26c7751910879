"""Counts lines of code: what is left without blank lines, comments and docstrings. ``python tools/count_lines.py FOLDER...``"""

import ast
import sys
from pathlib import Path


def code_lines(path: Path) -> int:
    """Lines of one file that do something."""
    source = path.read_text(encoding="utf-8")
    said = {line for node in ast.walk(ast.parse(source)) for line in _docstring(node)}
    return sum(1 for number, line in enumerate(source.splitlines(), 1) if line.strip() and not line.strip().startswith("#") and number not in said)


def _docstring(node: ast.AST) -> range:
    body = getattr(node, "body", None)
    if not isinstance(body, list):
        return range(0)
    found = [item for item in body if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)]
    return range(found[0].lineno, (found[0].end_lineno or found[0].lineno) + 1) if found else range(0)


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        files = sorted(Path(folder).rglob("*.py"))
        print(f"{folder:40} {len(files):4} files {sum(map(code_lines, files)):7,} lines of code")
