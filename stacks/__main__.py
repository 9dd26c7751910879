"""The Pulumi program of this workspace: `pulumi preview` runs it like any other; `mlx` runs the same one in process."""

from pathlib import Path

import pulumi

from mlx_specs.diagnostics import render
from mlx_stacks.errors import UserError
from mlx_stacks.program import program_of
from mlx_stacks.workspace import open_workspace

try:
    workspace = open_workspace(Path(__file__).parent, pulumi.get_stack())
except UserError as error:
    raise pulumi.RunError("\n".join([str(error), *map(render, error.diagnostics)])) from error

program_of(workspace)()
