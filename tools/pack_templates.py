"""A build hook: packs the reference workspace into the wheel, as the flights template of ``mlx init``.

An editable install reads the repository in place and packs nothing.
"""

import runpy
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackTemplates(BuildHookInterface):
    """Adds ``mlx_cli/templates/flights/PATH`` for each file that ``templates.py`` names."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            reference = runpy.run_path(f"{self.root}/cli/mlx_cli/templates.py")["REFERENCE"]
            build_data["force_include"] |= {f"{self.root}/{path}": f"mlx_cli/templates/flights/{path}" for path in reference}
