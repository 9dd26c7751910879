"""``python -m mlx_pipelines.compiler_process ENTRY FILE``: imports the user's pipeline and writes its KFP IR.

A process of its own, so that user code is fresh each time and leaves nothing in ours; the caller reads its exit status
and, after a failure, the traceback on stderr.
"""

import sys
from importlib import import_module
from pathlib import Path


def main(entry: str, out: str) -> None:
    """Compiles ``MODULE:FUNCTION``."""
    from kfp import compiler
    from kfp.dsl.base_component import BaseComponent

    from mlx_pipelines.code import split_entry

    module, name = split_entry(entry)
    pipeline = getattr(import_module(module), name)
    if not isinstance(pipeline, BaseComponent):
        raise TypeError(f"{entry} is not a KFP pipeline: put @dsl.pipeline above the function")
    compiler.Compiler().compile(pipeline, str(Path(out)))


if __name__ == "__main__":
    main(*sys.argv[1:])
