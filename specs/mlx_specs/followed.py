"""What the program that follows a stream is told."""

from typing import Literal

from mlx_specs.digests import digest
from mlx_specs.remote_lookup import RemoteLookup
from mlx_specs.resources import Version, Wire


class FollowedStream(Wire):
    """/mlx/object.json of a stream's Spark application."""

    environment: str
    name: str
    model: str
    """NAME@ALIAS"""
    version: Version
    """Its artifact is a URL."""
    source: str
    """A topic or a folder, as a spec names it."""
    sink: str = ""
    """The same; '' is a folder of the storage."""
    columns: list[str]
    start: Literal["earliest", "latest"] = "earliest"
    event_time: str = ""
    """The column of a row's moment; '' where rows have none."""
    watermark: int | None = None
    """Seconds that a row may lie behind the latest one."""
    interval: int
    """Seconds from one look at the source to the next."""
    features: RemoteLookup | None = None
    storage: str

    @property
    def digest(self) -> str:
        """Of what makes a stream: another source, sink or start is another one."""
        return digest({"source": self.source, "sink": self.sink, "start": self.start})

    @property
    def place(self) -> str:
        """The folder of the storage that has its checkpoint, what was put aside and, without a sink, its predictions."""
        return f"predictions/{self.name}/{self.digest}"

    @property
    def below_sink(self) -> str:
        """Its own folder in a sink, which others may have, too."""
        return f"{self.environment}/{self.name}/{self.digest}"
