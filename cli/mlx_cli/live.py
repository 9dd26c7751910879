"""The terminal's screen: finished lines scroll up, and below them one row spins for each object that is worked on.

Rich is imported here and nowhere else, so that only a terminal pays for it.
"""

from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from mlx_cli.output import Paint
from mlx_cli.progress import Line, lines_of


class LiveScreen:
    """One row an object, with the last thing that it reported."""

    def __init__(self, stream: TextIO, paint: Paint) -> None:
        self.paint = paint
        self.active: dict[str, str] = {}
        self.console = Console(file=stream, highlight=False)
        self.live = Live(console=self.console, refresh_per_second=8, transient=True)
        self.live.start()

    def show(self, line: Line, *, ephemeral: bool) -> None:
        self._track(line)
        self.live.update(self._rows(), refresh=True)
        if not ephemeral:
            self._scroll(line)

    def close(self) -> None:
        self.live.stop()

    def _scroll(self, line: Line) -> None:
        for text in lines_of(line, self.paint):
            self.console.print(Text.from_ansi(text))

    def _track(self, line: Line) -> None:
        finished = line.symbol != " " and ":" in line.text
        if finished:
            self.active.pop(line.object, None)
        elif line.object:
            self.active[line.object] = line.text.splitlines()[-1]

    def _rows(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for name, text in self.active.items():
            table.add_row(Spinner("dots"), name, Text(text, style="dim", overflow="ellipsis", no_wrap=True))
        return table
