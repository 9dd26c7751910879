"""What a person sees while an update runs: a line for each thing that happens, or a live table on a terminal.

Enters: the host's events, from any thread. Leaves: text on stderr, and ``done`` and ``failed`` for whoever asks afterwards.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TextIO

from mlx_cli.addressed import addressed
from mlx_cli.boundary import StoppedHalfway
from mlx_cli.failures import owner, reason
from mlx_cli.output import Paint, duration, note, paint_for, short
from mlx_engine.host import Event, EventKind, Interrupted, Op, Step
from mlx_stacks.changes import RESOURCES
from mlx_stacks.effects import does_nothing

WORDS = {
    "PreparedDataset": ("prepare", "delete the rows"),
    "FeatureRegistry": ("register", "remove registry and stores"),
    "OnlineFeatures": ("materialise", "remove the online store"),
    "JoinedDataset": ("join features", "delete the rows"),
    "CompiledPipeline": ("compile", "delete"),
    "ModelVersion": ("train", "leave the version to the registry"),
    "TrainingRun": ("submit the training", "leave the run"),
    "RecurringRun": ("schedule retraining", "end the schedule"),
    "Champion": ("judge", "remove the alias"),
    "Release": ("record", "forget"),
    "ReleasedModel": ("take over", "remove the alias"),
    "ModelServer": ("serve", "stop"),
    "BatchPredictions": ("score", "delete the predictions"),
    "Declared": ("declare", "forget"),
}
"""What bringing about and removing a resource means; a type without a row is called by Pulumi's operation."""
SYMBOLS = {Op.CREATE: "+", Op.CREATE_REPLACEMENT: "~", Op.UPDATE: "~", Op.DELETE: "-", Op.REFRESH: " "}
"""What is worth a line. Of a replacement only the new resource's creation is; that the old one goes is no news."""
COLOURS = {"+": "green", "~": "yellow", "-": "red", " ": "plain"}
TOLD = 12
"""How many of the things that are done are named when the rest fails."""
WIDTH = 24
"""Of the column of object ids; a longer id pushes its own line only."""


@dataclass(frozen=True)
class Line:
    """One line about one object; ``text`` is empty when there is nothing to say."""

    object: str
    text: str
    symbol: str = " "
    colour: str = "plain"


@dataclass
class Narrator:
    """Turns events into lines; remembers when each resource was started."""

    clock: Callable[[], float] = time.monotonic
    started: dict[str, float] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def tell(self, event: Event) -> Line | None:
        """The line for an event; None for what is of no interest (what stays the same, the stack itself)."""
        match event.kind:
            case EventKind.WAITING:
                return Line("", event.message)
            case EventKind.LOG:
                return Line(owner(event.urn), f"{subject(event.urn)}{event.message}")
            case EventKind.STARTED if event.step and is_managed(event.step) and event.step.op in SYMBOLS:
                return self._begin(event.step)
            case EventKind.DONE if event.step and event.step.urn in self.started:
                return self._end(event.step)
            case EventKind.FAILED if event.step:
                return self._fail(event.step, event.message)
            case _:
                return None

    def so_far(self) -> str:
        """``already done: Model/delay train, Environment/dev create Role (3)``; the last things where there are many, each once."""
        if not self.done:
            return "nothing was finished by then"
        counted = Counter(self.done)
        told = [f"{thing} ({number})" if number > 1 else thing for thing, number in counted.items()]
        before = sum(list(counted.values())[:-TOLD])
        return f"already done: {', '.join(told[-TOLD:])}" + (f" and {before} before" if before else "")

    def _begin(self, step: Step) -> Line:
        self.started[step.urn] = self.clock()
        return Line(owner(step.urn), what(step), SYMBOLS[step.op], COLOURS[SYMBOLS[step.op]])

    def _end(self, step: Step) -> Line:
        self.done.append(f"{owner(step.urn)} {what(step)}")
        symbol = SYMBOLS.get(step.op, "-")
        return Line(owner(step.urn), f"{what(step)}: done in {duration(self.clock() - self.started.pop(step.urn))}", symbol, COLOURS[symbol])

    def _fail(self, step: Step, message: str) -> Line:
        self.started.pop(step.urn, None)
        self.failed[owner(step.urn)] = message
        headline = reason(step.urn, message).partition("\n")[0]  # the rest is told once, at the end
        return Line(owner(step.urn), f"{what(step)}: {headline}", "x", "red")


def is_managed(step: Step) -> bool:
    """Whether a person thinks of it as a thing: components only group, and a provider is the engine's own affair."""
    return step.custom and not step.type.startswith("pulumi:")


def what(step: Step) -> str:
    """``train``, ``remove the alias``: the step in words."""
    kind = step.type.rsplit(":", 1)[-1]
    outside = f"{step.op.value} {kind} {step.name.rpartition('/')[2]}" if not step.type.startswith(RESOURCES) else step.op.value
    make, remove = WORDS.get(kind, (outside, outside))
    match step.op:
        case Op.CREATE | Op.UPDATE | Op.CREATE_REPLACEMENT:
            return "record" if does_nothing(step) else make
        case Op.DELETE | Op.DELETE_REPLACED:
            return remove
        case _:
            return step.op.value


def subject(urn: str) -> str:
    """``Deployment delay-api: `` for an object in a cluster, of which an object of the specs has many; '' for anything else."""
    if "$kubernetes:" not in urn:
        return ""
    type_, name = urn.split("::")[-2:]
    return f"{type_.rpartition(':')[2]} {name.rpartition('/')[2]}: "


class Screen(Protocol):
    """Where lines are shown."""

    def show(self, line: Line, *, ephemeral: bool) -> None: ...
    def close(self) -> None: ...


class PlainScreen:
    """A line each, as they come: for CI, pipes and logs."""

    def __init__(self, stream: TextIO, paint: Paint) -> None:
        self.stream = stream
        self.paint = paint

    def show(self, line: Line, *, ephemeral: bool) -> None:
        print("\n".join(lines_of(line, self.paint)), file=self.stream, flush=True)

    def close(self) -> None:
        """Nothing is held back."""


def lines_of(line: Line, paint: Paint) -> list[str]:
    """``  + Model/delay              train``; what the resource itself reports is dim, and more lines stand below the first."""
    first, *more = short(addressed(line.text)).splitlines()
    colour = line.colour if line.symbol != " " else "dim"
    head = f"  {paint(line.symbol, line.colour)} {line.object.ljust(WIDTH)} {paint(first, colour)}".rstrip()
    return [head, *(f"    {''.ljust(WIDTH)} {paint(text, colour)}" for text in more)]


class Progress:
    """``with Progress() as progress: apply(..., on_event=progress)``; on an error it says what was done before."""

    def __init__(self, screen: Screen, narrator: Narrator) -> None:
        self.screen = screen
        self.narrator = narrator
        self.lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self.lock:
            line = self.narrator.tell(event)
            if line and line.text:
                self.screen.show(line, ephemeral=event.kind == EventKind.LOG and event.ephemeral)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.screen.close()
        if isinstance(error, Interrupted | KeyboardInterrupt):
            raise StoppedHalfway(f"interrupted: {self.narrator.so_far()}", hint="run it again: it goes on from there") from error
        if error is not None and self.narrator.done:
            note(f"{self.narrator.so_far()}; the next mlx apply goes on from there")


def progress() -> Progress:
    """A live table on a terminal, lines elsewhere."""
    paint = paint_for(sys.stderr)
    if sys.stderr.isatty():
        from mlx_cli.live import LiveScreen

        return Progress(LiveScreen(sys.stderr, paint), Narrator())
    return Progress(PlainScreen(sys.stderr, paint), Narrator())


def quiet(event: Event) -> None:
    """For verbs that are over in a moment: only a wait for somebody else's lock is told."""
    if event.kind == EventKind.WAITING:
        note(event.message)
