"""What this package raises: the cluster's answer in our words, with what to do next."""


class KubernetesError(Exception):
    """Something that a person can act on."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)
        self.hint = hint


class Unreachable(KubernetesError):
    """No answer from the API server, or none that can be trusted."""


class NotYet(KubernetesError):
    """What this needs is not in the cluster: a namespace, or the definition of a kind."""


class Cancelled(KubernetesError):
    """The user interrupted while something was waited for."""
