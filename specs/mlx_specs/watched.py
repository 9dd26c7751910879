"""What a look of a monitor is told: the same on a laptop and in a Job."""

from typing import Literal

from mlx_specs.monitor import MonitorSpec
from mlx_specs.resources import About, Version, Wire

DRIFTED = 4
"""What a look exits with that found drift and is to alert."""


class Watched(Wire):
    """A monitor, and what it watches."""

    monitor: str
    spec: MonitorSpec
    about: About = About()
    mode: Literal["realtime", "batch"]
    version: Version = Version()
    """Which an endpoint serves; the predictions of a batch say theirs."""


class WatchedInStorage(Watched):
    """/mlx/object.json of a monitor's Job."""

    input: str = ""
    """The Dataset of a batch."""
    storage: str
