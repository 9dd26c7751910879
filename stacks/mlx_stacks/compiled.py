"""A pipeline's compiled form, as a value: compiled once for its code and kept in the user's cache.

Compiling takes a process of its own (KFP and Pulumi cannot be imported together), so that a plan reads it.
"""

import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from mlx_pipelines.code import code_digest
from mlx_pipelines.compile import compile_pipeline, read_ir
from mlx_specs.digests import digest
from mlx_specs.layout import user_cache
from mlx_specs.pipeline import PipelineSpec


def compiled(spec: PipelineSpec, root: Path) -> dict[str, Any]:
    """The IR; raises ``PipelineError`` where the function does not compile."""
    key = digest([spec.entry, spec.arguments, code_digest(spec.entry, root), metadata.version("kfp")])
    kept = user_cache() / "pipelines" / f"{key}.yaml"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            made = compile_pipeline(spec.entry, spec.arguments, root, Path(folder))
            made.path.replace(kept)
    return read_ir(kept)
