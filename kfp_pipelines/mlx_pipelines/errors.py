"""What goes wrong in a pipeline, in the user's words: what happened, and what to do next."""

from pathlib import Path

HINT = "hint: "


class PipelineError(Exception):
    """A pipeline that cannot be compiled, run or read back."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            # A step's error reaches us as the text of its traceback; a note is printed there, an attribute is not.
            self.add_note(f"{HINT}{hint}")


class StepFailed(PipelineError):
    """A step of a run that failed; ``message`` is the user's own exception line, ``log`` holds all that the steps printed."""

    def __init__(self, step: str, message: str, *, log: Path, hint: str = "") -> None:
        super().__init__(f"step {step!r} failed: {message}", hint=hint or f"what its steps printed is in {log}")
        self.step = step
        self.message = message
        self.log = log
