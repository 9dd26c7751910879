"""Compiles with the real KFP; a process each, so the refusals share a module."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mlx_pipelines.compile import compile_pipeline
from mlx_pipelines.errors import PipelineError

Write = Callable[[str, str], Path]

STEPS = '''
    from kfp import dsl

    @dsl.component(base_image="python:3.11")
    def double(n: int) -> int:
        """Doubles."""
        return n * 2

    @dsl.component(base_image="python:3.11", packages_to_install=["no-such-package==1.0"])
    def installs(n: int) -> int:
        return n

    @dsl.component(base_image="python:3.11", packages_to_install=["numpy"])
    def uses_numpy(n: int) -> int:
        return n

    @dsl.container_component
    def container():
        return dsl.ContainerSpec(image="alpine", command=["true"])

    @dsl.pipeline(name="plain")
    def plain(n: int, extra: str = "x"):
        first = double(n=n)
        uses_numpy(n=double(n=first.output).output)

    @dsl.pipeline(name="container-pipeline")
    def with_container():
        container()

    @dsl.pipeline(name="packages")
    def with_packages():
        installs(n=1)

    @dsl.pipeline(name="condition")
    def with_condition():
        first = double(n=1)
        with dsl.If(first.output == 2):
            double(n=2)

    @dsl.pipeline(name="exit-handler")
    def with_exit_handler():
        with dsl.ExitHandler(double(n=1)):
            double(n=2)

    @dsl.pipeline(name="retry")
    def with_retry():
        double(n=1).set_retry(2)

    @dsl.pipeline(name="variable")
    def with_variable():
        double(n=1).set_env_variable("A", "b")

    @dsl.pipeline(name="remote")
    def with_remote():
        dsl.importer(artifact_uri="s3://bucket/rows", artifact_class=dsl.Dataset)

    @dsl.pipeline(name="offered")
    def with_wrong_type(features: list):
        double(n=1)

    def not_a_pipeline():
        pass
'''


@pytest.fixture
def mine(workspace: Path, write_module: Write) -> Path:
    write_module("mine", STEPS)
    return workspace


def test_the_ir_is_addressed_by_what_it_says_and_comments_say_nothing(mine: Path, write_module: Write) -> None:
    first = compile_pipeline("mine:plain", {"n": 1}, mine, mine / "one")
    write_module("mine", STEPS.replace("Doubles.", "Twice.").replace("return n * 2", "return n * 2  # two"))
    assert compile_pipeline("mine:plain", {"n": 1}, mine, mine / "two").ir_digest == first.ir_digest
    write_module("mine", STEPS.replace("return n * 2", "return n * 3"))
    assert compile_pipeline("mine:plain", {"n": 1}, mine, mine / "two").ir_digest != first.ir_digest
    assert first.path == mine / "one" / f"{first.ir_digest}.yaml"
    assert first.steps == ("double", "double-2", "uses-numpy")
    assert yaml.safe_load(first.path.read_text())["pipelineInfo"]["name"] == "plain"


REFUSED = "on the laptop this pipeline cannot run: "


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("with_container", REFUSED + "step 'container' runs a container image (alpine)"),
        ("with_packages", REFUSED + "step 'installs' installs packages, which would change the environment that mlx runs in: no-such-package==1.0"),
        ("with_condition", REFUSED + "'condition-1' is conditional (dsl.If, dsl.Elif, dsl.Else, dsl.OneOf), which the local runner decides wrongly"),
        ("with_exit_handler", REFUSED + "'double' runs even after a failure (dsl.ExitHandler, ignore_upstream_failure), which the local runner does not do"),
        ("with_retry", REFUSED + "step 'double' asks for retries (set_retry), which the local runner ignores"),
        ("with_variable", REFUSED + "step 'double' sets environment variables, which the local runner ignores"),
        ("with_remote", REFUSED + "step 'importer' imports s3://bucket/rows"),
        ("with_wrong_type", "mine:with_wrong_type declares 'features' with another type than mlx gives it"),
        ("not_a_pipeline", "mine:not_a_pipeline does not compile: TypeError: mine:not_a_pipeline is not a KFP pipeline: put @dsl.pipeline above the function"),
    ],
)
def test_what_the_local_runner_would_run_wrongly_is_refused_by_name(mine: Path, function: str, message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        compile_pipeline(f"mine:{function}", {}, mine, mine / "out")
    assert str(caught.value) == message
    assert caught.value.hint
    assert not (mine / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({}, "mine:plain takes 'n', which has no value", "give it in the Pipeline's arguments, or a default: def pipeline(n=...)"),
        ({"n": 1, "extr": "y"}, "mine:plain takes no argument 'extr'", "did you mean 'extra'?"),
        ({"n": 1.5}, "argument 'n' of mine:plain must be a whole number, not 1.5", ""),
        ({"n": 1, "seed": 3}, "argument 'seed' of mine:plain is given by mlx", "rename the pipeline's own parameter, or take 'seed' out of arguments"),
    ],
)
def test_each_parameter_of_a_pipeline_has_one_value(mine: Path, arguments: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(PipelineError) as caught:
        compile_pipeline("mine:plain", arguments, mine, mine / "out")
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_an_error_in_user_code_is_shown_with_its_line(workspace: Path, write_module: Write) -> None:
    path = write_module("mine", "from kfp import dsl\n\nvalue = 1 / 0\n\n@dsl.pipeline(name='x')\ndef pipeline():\n    pass\n")
    with pytest.raises(PipelineError) as caught:
        compile_pipeline("mine:pipeline", {}, workspace, workspace / "out")
    assert str(caught.value) == "mine:pipeline does not compile: ZeroDivisionError: division by zero"
    assert caught.value.hint == f'File "{path}", line 3, in <module>'
