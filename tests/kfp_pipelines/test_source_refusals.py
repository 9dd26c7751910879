from collections.abc import Callable
from pathlib import Path

from mlx_pipelines.source_refusals import find_refused

Write = Callable[[str, str], Path]


def test_what_the_laptop_refuses_is_found_in_the_source_with_its_place(workspace: Path, write_module: Write) -> None:
    steps = write_module("own_steps", 'from kfp import dsl\n\n@dsl.component(packages_to_install=["no-such-package", "numpy"])\ndef step():\n    pass\n')
    mine = write_module(
        "mine",
        """\
        from kfp import dsl
        from kfp.dsl import ExitHandler as Always
        from own_steps import step

        @dsl.pipeline(name="mine")
        def pipeline():
            first = step()
            with dsl.If(first.output == 1):
                step().set_retry(2)
            with Always(step()):
                step()
        """,
    )
    found = [(place.path, place.line, place.column, place.message) for place in find_refused("mine:pipeline", workspace)]
    assert found == [
        (mine, 8, 10, "dsl.If: the local runner decides conditions wrongly"),
        (mine, 9, 9, "set_retry: the local runner ignores retries"),
        (mine, 10, 10, "Always: the local runner does not run exit handlers after a failure"),
        (steps, 3, 36, "packages_to_install: no-such-package would be installed into the environment that mlx runs in"),
    ]
    assert all(place.hint for place in find_refused("mine:pipeline", workspace))


def test_the_reference_pipeline_has_nothing_to_refuse(tmp_path: Path) -> None:
    assert find_refused("mlx_pipelines.tabular:pipeline", tmp_path) == []
