"""What a person can act on: every error of the runtime says what is wrong, and ``hint`` what to do next."""


class RuntimeFailure(Exception):
    """Base of the errors that callers show; anything else is a bug."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
