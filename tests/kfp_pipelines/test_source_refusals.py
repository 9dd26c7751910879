from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.source_refusals import find_refused

Write = Callable[[str, str], Path]


def messages(workspace: Path) -> list[str]:
    return [place.message for place in find_refused("mine:pipeline", workspace)]


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


@pytest.mark.parametrize("name", ["If", "Elif", "Else", "Condition", "OneOf", "ExitHandler", "container_component"])
@pytest.mark.parametrize(
    ("imported", "spelled"),
    [
        ("import kfp", "kfp.dsl.{}"),
        ("import kfp.dsl", "kfp.dsl.{}"),
        ("import kfp as k", "k.dsl.{}"),
        ("import kfp.dsl as d", "d.{}"),
        ("from kfp import dsl as d", "d.{}"),
        ("from kfp.dsl import {} as Mine", "Mine"),
        ("from kfp.dsl import *", "{}"),
        ("from kfp import *", "dsl.{}"),
        ("from shared import d", "d.{}"),
        ("import shared", "shared.d.{}"),
        ("import kfp\nd = kfp.dsl", "d.{}"),
    ],
)
def test_every_spelling_of_an_import_is_refused(workspace: Path, write_module: Write, imported: str, spelled: str, name: str) -> None:
    write_module("shared", "from kfp import dsl as d\n")
    used = spelled.format(name)
    write_module("mine", f"{imported.format(name)}\n\ndef pipeline():\n    {used}()\n")
    assert [message.partition(":")[0] for message in messages(workspace)] == [used]


def test_names_that_are_not_kfps_are_left_alone(workspace: Path, write_module: Write) -> None:
    write_module("mine", "from rules import If, dsl\n\ndef pipeline():\n    If(1)\n    dsl.Else()\n")
    write_module("rules", "class dsl:\n    Else = If = int\n\nIf = int\n")
    assert messages(workspace) == []


@pytest.mark.parametrize(
    ("above", "packages"),
    [
        ("PACKAGES = ['no-such-package']", "PACKAGES"),
        ("NAME = 'no-such-package'", "[NAME]"),
        ("PACKAGES: list[str] = ['no-such-package']", "['numpy', *PACKAGES]"),
        ("PACKAGES = ('no-such-package',)", "['numpy'] + PACKAGES"),
        ("from versions import PACKAGES", "PACKAGES"),
        ("import versions", "versions.PACKAGES"),
    ],
)
def test_a_constant_that_is_assigned_once_is_read(workspace: Path, write_module: Write, above: str, packages: str) -> None:
    write_module("versions", "PACKAGES = ['no-such-package']\n")
    write_module("mine", f"from kfp import dsl\n{above}\n\n@dsl.component(packages_to_install={packages})\ndef pipeline():\n    pass\n")
    assert messages(workspace) == ["packages_to_install: no-such-package would be installed into the environment that mlx runs in"]


@pytest.mark.parametrize(
    ("above", "packages"),
    [
        ("PACKAGES = ['numpy']\nPACKAGES += ['more']", "PACKAGES"),
        ("PACKAGES = ['numpy']\nPACKAGES.append('more')", "PACKAGES"),
        ("PACKAGES = PACKAGES", "PACKAGES"),
        ("", "PACKAGES"),
        ("", "open('requirements.txt').read().split()"),
        ("", "[name for name in ('a', 'b')]"),
        ("", "[f'numpy']"),
        ("", "'numpy'"),
    ],
)
def test_packages_that_cannot_be_read_are_refused(workspace: Path, write_module: Write, above: str, packages: str) -> None:
    write_module("mine", f"from kfp import dsl\n{above}\n\n@dsl.component(packages_to_install={packages})\ndef pipeline():\n    pass\n")
    assert messages(workspace) == ["packages_to_install: cannot be read: write the list out"]


def test_packages_among_options_are_found(workspace: Path, write_module: Write) -> None:
    write_module("mine", "from kfp import dsl\nALL = {'packages_to_install': ['no-such-package']}\n\n@dsl.component(**ALL)\ndef pipeline():\n    pass\n")
    assert messages(workspace) == ["packages_to_install: no-such-package would be installed into the environment that mlx runs in"]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("set_memory_limit('1Gi')", "memory"),
        ("set_memory_request('1Gi')", "memory"),
        ("set_cpu_limit('2')", "CPU"),
        ("set_cpu_request('2')", "CPU"),
        ("set_accelerator_type('nvidia.com/gpu')", "accelerator"),
        ("set_accelerator_limit(1)", "accelerator"),
        ("set_gpu_limit('1')", "accelerator"),
        ("add_node_selector_constraint('nvidia.com/gpu')", "accelerator"),
    ],
)
def test_what_a_step_asks_for_is_refused_in_the_source(workspace: Path, write_module: Write, call: str, named: str) -> None:
    write_module("mine", asking(f"step(n=1).{call}"))
    (message,) = messages(workspace)
    assert message.startswith(f"{call.partition('(')[0]}: the local runner ")
    assert (named == "accelerator") == ("accelerator" in message)


def test_a_loops_parallelism_is_refused_in_the_source(workspace: Path, write_module: Write) -> None:
    write_module("mine", asking("step(n=1)", parallelism=", parallelism=2"))
    assert messages(workspace) == ["ParallelFor(parallelism=): the local runner runs the items one after the other"]
    write_module("mine", asking("step(n=1)"))
    assert messages(workspace) == []


def test_what_a_step_asks_for_is_refused_in_the_ir(workspace: Path, write_module: Write) -> None:
    asked = "step(n=1).set_cpu_request('1').set_accelerator_type('nvidia.com/gpu').set_accelerator_limit(1)"
    write_module("mine", asking(asked, parallelism=", parallelism=2"))
    with pytest.raises(PipelineError) as caught:
        compile_pipeline("mine:pipeline", {}, workspace, workspace / "ir")
    assert str(caught.value) == (
        "on the laptop this pipeline cannot run: step 'step' asks for an accelerator (set_accelerator_type, set_accelerator_limit, set_gpu_limit, "
        "add_node_selector_constraint), which the local runner ignores; step 'step' asks for CPU or memory (set_cpu_limit, set_memory_limit and their "
        "requests), which the local runner ignores; 'for-loop-2' sets the parallelism of a loop (dsl.ParallelFor), whose items the local runner runs one "
        "after the other"
    )
    assert "compute" in caught.value.hint


def asking(call: str, parallelism: str = "") -> str:
    return f"""\
        from kfp import dsl

        @dsl.component(base_image="python:3.11", install_kfp_package=False)
        def step(n: int):
            pass

        @dsl.pipeline(name="mine")
        def pipeline():
            with dsl.ParallelFor([1, 2]{parallelism}):
                {call}
        """


def test_the_reference_pipeline_has_nothing_to_refuse(tmp_path: Path) -> None:
    assert find_refused("mlx_pipelines.tabular:pipeline", tmp_path) == []
