"""What can go wrong above the engine, for the CLI's exit codes."""

from collections.abc import Sequence

from mlx_engine.host import EngineError, NotInState, Protected
from mlx_specs.diagnostics import Diagnostic

UNPROTECT = "first take protect out of the environment (or the Cluster) while the specs are as they were applied, and mlx apply; then change them"


class UserError(Exception):
    """What the user wrote or asked for is wrong: a message with a hint, or diagnostics with places. Exit 1.

    ``several`` are the sentences that the message consists of, each with its own hint, where more than one thing is in the way.
    """

    def __init__(self, message: str, *, hint: str = "", diagnostics: Sequence[Diagnostic] = (), several: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.several = tuple(several)
        self.diagnostics = tuple(diagnostics)


class UnknownStack(UserError):
    """There is no environment, or no Cluster, of the name that was asked for."""


class Blocked(Exception):
    """Policy forbids it: a stale plan, a protected object, a stronger effect than was shown. Exit 3."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StalePlan(Blocked):
    """Another update changed the state after the plan was made: plan again."""


def hint_of(error: EngineError) -> str:
    """What to do about what the engine says, which speaks of programs and knows no verb of ours."""
    match error:
        case Protected():
            return UNPROTECT
        case NotInState():
            return error.hint or "mlx state list shows what there is"
        case _:
            return error.hint
