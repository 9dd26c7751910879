"""The one error of features."""


class FeatureError(Exception):
    """Something the user can act on: what is wrong, and ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
