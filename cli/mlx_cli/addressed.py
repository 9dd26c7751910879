"""Commands that a message suggests, as they work when they are copied: with the environment or the cluster that was asked for.

Below the CLI nobody knows what was typed, so messages there say ``mlx apply``; what is told to a person passes through here.
"""

import re
from dataclasses import dataclass

OF_ENVIRONMENT = (
    "apply", "cancel", "destroy", "export", "features", "history", "logs", "monitor", "plan", "predict", "profile", "refresh", "render", "rollback", "run",
    "state", "status", "ui", "validate", "why",
)  # fmt: skip
"""The verbs that are about one environment; doctor looks at the machine first, and needs none to help."""
OF_CLUSTER = ("apply", "cancel", "destroy", "history", "plan", "refresh", "render", "state", "status")
SOME_CLUSTER = "--cluster NAME"
"""What a message says that does not know which cluster it is about."""
COMMAND = re.compile(
    r"\bmlx (?P<verb>(?:features|monitor|state)(?: (?:list|get|show|status|run|report|materialize|push|unprotect|forget))?|[a-z]+)\b"
    r"(?!(?:(?!mlx )[^;,\n`])*--(?:env|cluster)\b)"
)
"""A command that does not say yet what it is about, up to the end of its clause."""


@dataclass(frozen=True)
class About:
    """What this command line is about; empty where nothing was named, for then a copied command finds the same."""

    environment: str = ""
    cluster: str = ""
    """The Cluster whose own stack it is about."""
    on: str = ""
    """The Cluster that the environment is on."""


_about = About()


def remember(about: About) -> None:
    """One command a process, so that one value holds for all that it tells."""
    global _about
    _about = about


def addressed(text: str) -> str:
    """The text with its commands made complete."""
    cluster = _about.cluster or _about.on
    text = text.replace(SOME_CLUSTER, f"--cluster {cluster}") if cluster else text
    if _about.cluster:
        return COMMAND.sub(lambda found: _with(found, OF_CLUSTER, f"--cluster {_about.cluster}"), text)
    if _about.environment:
        return COMMAND.sub(lambda found: _with(found, OF_ENVIRONMENT, f"--env {_about.environment}"), text)
    return text


def _with(found: re.Match[str], verbs: tuple[str, ...], option: str) -> str:
    return f"{found[0]} {option}" if found["verb"].partition(" ")[0] in verbs else found[0]
