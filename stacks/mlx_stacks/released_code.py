"""The code behind a model, for a release: all that trained it, and the workspace's own modules that a native model imports when it serves."""

from pathlib import Path

from mlx_pipelines.code import OWN_PACKAGE, code_parts
from mlx_specs.digests import digest
from mlx_specs.model import ModelSpec


def algorithms_of(spec: ModelSpec) -> tuple[str, ...]:
    """The import paths of all that may be fitted."""
    own = (spec.algorithm,) if spec.algorithm else ()
    return (*own, *(candidate.algorithm for candidate in spec.candidates))


def model_code(spec: ModelSpec, entry: str, root: Path) -> tuple[str, str]:
    """The digest of the code as a version's fingerprint has it, and that of the workspace's modules alone ('': it has none)."""
    parts = code_parts(entry, root, *algorithms_of(spec))
    own = {name: text for name, text in parts.items() if name.partition(":")[0].split(".")[0] != OWN_PACKAGE}
    return digest(parts), digest(own) if own else ""
