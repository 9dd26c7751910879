"""What can go wrong above the engine, for the CLI's exit codes."""

from collections.abc import Sequence

from mlx_specs.diagnostics import Diagnostic


class UserError(Exception):
    """What the user wrote or asked for is wrong: a message with a hint, or diagnostics with places. Exit 1."""

    def __init__(self, message: str, *, hint: str = "", diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.diagnostics = tuple(diagnostics)


class Blocked(Exception):
    """Policy forbids it: a stale plan, a protected object, a stronger effect than was shown. Exit 3."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StalePlan(Blocked):
    """Another update changed the state after the plan was made: plan again."""
