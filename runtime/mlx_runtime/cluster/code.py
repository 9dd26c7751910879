"""The workspace's own modules, that came with what a pod is told."""

import base64
import io
import zipfile
from pathlib import Path


def lay_code(packed: str, workspace: Path) -> None:
    """``packed`` is a zip file in base64, or nothing."""
    if packed:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))) as code:
            code.extractall(workspace)
