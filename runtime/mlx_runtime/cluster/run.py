"""What every verb is given besides its object: the environment's name, a scratch workspace, and whom it tells how it goes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlx_specs.layout import Layout

Report = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """One run of one verb."""

    environment: str
    workspace: Path
    """Empty, and gone afterwards."""
    report: Report
    threads: int = 1

    @property
    def home(self) -> str:
        """The environment's folder in the workspace, as on a laptop."""
        return Layout(self.environment).home
