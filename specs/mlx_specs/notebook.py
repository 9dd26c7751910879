"""Notebook: a managed JupyterLab."""

from typing import Literal

from pydantic import Field

from mlx_specs.base import Compute, Duration, Object, Quantity, Strict


class NotebookSpec(Strict):
    """What a notebook server is made of."""

    image: str | None = Field(default=None, description="The container image, on a cluster.")
    compute: Compute | None = Field(default=None, description="What the server asks for.")
    idle_stop: Duration = Field(default="2h", description="Stop the server after this long without activity.")
    storage: Quantity = Field(default="10Gi", description="The size of its volume, on a cluster.")


class Notebook(Object):
    """A notebook server."""

    kind: Literal["Notebook"] = Field(default="Notebook", description="A notebook server.")
    spec: NotebookSpec = Field(default=NotebookSpec(), description="Image, compute, idle stop, storage.")
