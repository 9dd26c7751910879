"""What to tell of a failure of Spark's, whose text is pages of Java and Python one within the other."""

import re

OURS = re.compile(r"^(?:E\s+)?mlx_[\w.]+\.\w+: (?P<said>.+)$", re.MULTILINE)
"""The last line of a Python traceback of our own errors, wherever they were raised."""
FRAMES = ("at ", "File ", "Traceback", "...")


def our_message(text: str) -> str | None:
    """Of an error of ours; None where it is none."""
    found = OURS.findall(text)
    return found[-1] if found else None


def telling_line(text: str) -> str:
    """The line that says most."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(FRAMES)]
    return next((line for line in reversed(lines) if "Error" in line or "Exception" in line), lines[-1] if lines else "it does not say why")
