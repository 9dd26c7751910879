"""The table of verbs, and the way from ``argv`` to an exit code.

``mlx --help`` and completion of names read the table only; a verb's module is imported when it runs.
"""

import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from mlx_cli.addressed import About, remember
from mlx_cli.boundary import UsageError, guarded
from mlx_cli.hurried import hurried, leave
from mlx_cli.unread import open_closed

VERBS: dict[str, str] = {
    "init": "Start a workspace: an empty one, or New York's flights.",
    "validate": "Check all specs, offline; every problem with file, line and column.",
    "schema": "Print the JSON schema of a kind, of a whole file, or of a verb's -o json.",
    "plan": "Show what would change, and what that means for the models.",
    "apply": "Make it so: show the plan, ask, do it.",
    "destroy": "Remove everything that apply has made.",
    "status": "Show every object as it is now.",
    "promote": "Promote the models of one environment to another: the same bytes, nothing trained.",
    "rollback": "Go back to an earlier release of a pinned environment.",
    "history": "Show who changed what, and when.",
    "refresh": "Compare what was applied with what is there now.",
    "cancel": "Remove the lock that an update left behind, or that hangs.",
    "state": "Show what is in state; unprotect or forget a resource.",
    "run": "Run a batch inference now.",
    "predict": "Ask an endpoint for predictions.",
    "features": "Show feature stores; look features up, materialise, push.",
    "monitor": "Look for drift now; show what monitors found, as a page, too.",
    "why": "Say why an object is as it is: one cause, and what to do about it.",
    "profile": "Describe a dataset's rows on a page that works offline.",
    "ui": "Look at everything on one local page.",
    "render": "Write plain manifests and compiled pipelines, for Argo CD or Flux.",
    "export": "Write a model as ONNX, for the edge or any other place.",
    "logs": "Show or follow the logs of endpoints and of training runs.",
    "doctor": "Check this machine and this workspace.",
}
"""Each verb is ``command`` in ``mlx_cli/commands/VERB.py``; one with verbs of its own is a Typer ``group`` there."""


def main() -> NoReturn:
    """The console script ``mlx``."""
    open_closed()
    with hurried():
        code = run(sys.argv[1:])
    leave(code)


def run(arguments: Sequence[str]) -> int:
    """What ``mlx ARGUMENTS`` exits with."""
    signal.signal(signal.SIGTERM, interrupt)
    remember(About())
    return guarded(lambda: get_command(app).main(args=list(arguments) or ["--help"], prog_name="mlx", standalone_mode=False))


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """CI cancels by SIGTERM: the same as Ctrl-C, which an update takes as the wish to stop in good order."""
    signal.raise_signal(signal.SIGINT)


class Verbs(TyperGroup):
    """Typer's group over the table: a verb is imported when it is asked for by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in VERBS:
            raise unknown(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def load(verb: str) -> Any:
    """The command that a verb's module declares."""
    module = importlib.import_module(f"mlx_cli.commands.{verb}")
    if hasattr(module, "group"):
        return get_command(module.group)
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command(verb)(module.command)
    return get_command(single)


def unknown(word: str) -> UsageError:
    """What to say to a verb that is none."""
    from mlx_specs.diagnostics import did_you_mean

    return UsageError(f"there is no verb {word!r}{did_you_mean(word, VERBS)}", hint="mlx --help lists the verbs")


app = typer.Typer(cls=Verbs, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


EPILOG = "mlx VERB --help says more. Exit codes: 0 done, 1 wrong input, 2 changes (plan), 3 blocked, 4 drift, 70 a bug, 130 interrupted."


@app.callback(invoke_without_command=True, epilog=EPILOG)
def root(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Option("--workspace", "-C", help="The workspace, for the verb that follows.", show_default="this folder")] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Declarative machine learning infrastructure: YAML to data, models, endpoints and predictions."""
    if folder is not None:
        context.default_map = {verb: {"base" if verb == "init" else "folder": str(folder)} for verb in VERBS}
    if version:
        from importlib.metadata import version as installed

        print(f"mlx {installed('mlx-iac')}")
        raise typer.Exit()
