"""What must hold for any workspace whatever it says: no exception, no hang, and a place for every message.

A case enters; the sentences that do not hold leave, none where all is well. Nothing is raised but what Python itself may not
survive.
"""

import io
import json
import re
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from mutator import FILES, REPOSITORY, Case, reference

from mlx_specs.diagnostics import Diagnostic, File, render
from mlx_specs.load import Loaded
from mlx_specs.resolve import resolved, resolved_json
from mlx_specs.validate import check
from mlx_specs.yaml_reader import read

SECONDS = 10
NO_LINE = ("file", "environment")
"""What is said of a file or a folder as a whole: it cannot be read, it is empty, it is not there."""
FOREIGN = re.compile(
    r"pydantic|Input should be|Value error|validation error|Extra inputs|NoneType|Traceback|object at 0x|<class |sqlglot|Invalid expression", re.IGNORECASE
)


class Hang(BaseException):
    """A case took longer than it may; no ``except Exception`` swallows it."""


class Bench:
    """A workspace in a folder that becomes one case after the other; only files that differ are written."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self._texts = dict(reference()[0])
        self._changed: set[str] = set()
        (folder / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
        for name in ("feature_repo", "kfp_pipelines"):
            (folder / name).symlink_to(REPOSITORY / name)
        for name in FILES:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(self._texts[name])

    def become(self, case: Case) -> None:
        """The folder as this case's workspace."""
        for name in self._changed - case.texts.keys():
            (self.root / name).write_text(self._texts[name])
        for name, text in case.texts.items():
            (self.root / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        self._changed = set(case.texts)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of cases write many small files."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def faults(bench: Bench, case: Case, *, whole: bool = False) -> list[str]:
    """What does not hold for a case; ``whole`` also runs what reads pipelines and algorithms, if the specs are right."""
    bench.become(case)
    printed = io.StringIO()
    try:
        with time_limit(), redirect_stdout(printed), redirect_stderr(printed):
            loaded, problems = check(bench.root, case.environment)
            found = [*problem_faults(problems, bench.root), *_graph_faults(loaded, problems), *(_source_faults(bench, case) if whole and loaded.graph else [])]
        return [*found, *([f"it prints: {printed.getvalue()}"] if printed.getvalue() else [])]
    except Hang as hang:
        return [f"no end after {SECONDS} seconds\n{''.join(traceback.format_exception(hang))}"]
    except Exception as error:
        return ["".join(traceback.format_exception(error))]


@contextmanager
def time_limit(seconds: float = SECONDS) -> Iterator[None]:
    """``Hang`` where the block takes longer."""

    def hang(_signal: int, _frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def problem_faults(problems: list[Diagnostic], root: Path) -> list[str]:
    lines: dict[str, list[str]] = {}
    return [f"{fault}: {problem}" for problem in problems for fault in _problem_faults(problem, root, lines)]


def _problem_faults(problem: Diagnostic, root: Path, lines: dict[str, list[str]]) -> Iterator[str]:
    text = render(problem)
    if not problem.message.strip() or "\n" in problem.message:
        yield "no message of one line"
    if FOREIGN.search(problem.message + problem.hint):
        yield "words that are not ours"
    try:
        json.dumps(problem.as_json()).encode()
        text.encode()
    except (ValueError, TypeError) as error:
        yield f"cannot be printed ({error})"
    if not (root / problem.file).exists():
        yield "no such file"
    elif problem.line == 0:
        yield from [] if problem.code in NO_LINE else ["no line"]
    else:
        if problem.file not in lines:
            lines[problem.file] = (root / problem.file).read_bytes().decode("utf-8-sig").splitlines()
        here = lines[problem.file]
        if not 0 < problem.line <= len(here):
            yield f"no such line, the last is {len(here)}"
        elif not 0 < problem.column <= len(here[problem.line - 1]) + 1:
            yield "no such column"


def _graph_faults(loaded: Loaded, problems: list[Diagnostic]) -> list[str]:
    """A graph where nothing is an error; then everything that is made of it without running anything."""
    if (loaded.graph is None) != any(problem.severity == "error" for problem in problems):
        return ["a graph with errors, or none without"]
    if loaded.graph is None:
        return []
    ids = [node.id for node in loaded.graph.objects]
    awaited = sum(problem.code == "awaited" for problem in problems)
    if awaited != sum(reference not in ids for node in loaded.graph.objects for reference in node.references):
        return ["a reference leads nowhere, and nobody was told"]
    json.dumps(resolved_json(loaded)).encode()
    _, unread = read(File("resolved.yaml", resolved(loaded))) if ids else ([], [])
    return [f"what --resolved prints is no spec: {render(problem)}" for problem in unread]


def _source_faults(bench: Bench, case: Case) -> list[str]:
    from mlx_stacks.check import check_workspace

    return problem_faults(list(check_workspace(bench.root, case.environment)[1]), bench.root)


def cli_fault(bench: Bench, case: Case) -> str:
    """What ``mlx validate`` of a case does wrong; empty where it ends with 0 or 1 and prints no traceback."""
    from mlx_cli.main import run

    bench.become(case)
    printed = io.StringIO()
    form = ("text", "json")[case.number % 2]
    environment = ["--env", case.environment] if case.environment else []
    try:
        with time_limit(), redirect_stdout(printed), redirect_stderr(printed):
            code = run(["validate", "-C", str(bench.root), "--resolved", "-o", form, *environment])
    except (Hang, Exception) as error:
        return "".join(traceback.format_exception(error))
    text = printed.getvalue()
    return "" if code in (0, 1) and "Traceback" not in text else f"exit code {code}\n{text}"
