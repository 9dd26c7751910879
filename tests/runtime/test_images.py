"""The Dockerfiles, read: the rules that can be told without a container engine. Nothing here builds them."""

import importlib.util
import json
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import pytest
from made_cluster import place, program

from mlx_components.kubernetes.completion import completion_job
from mlx_components.kubernetes.dataset import dataset_objects
from mlx_components.kubernetes.pipeline import Compiled, on_cluster
from mlx_components.kubernetes.pods import USER
from mlx_components.kubernetes.programs import SPARK_VERSION
from mlx_specs.base import Compute, Metadata
from mlx_specs.dataset import Dataset, DatasetSpec
from mlx_specs.pipeline import Pipeline, PipelineSpec

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "runtime" / "images"
NAMES = ("notebook", "pipelines", "runtime", "spark")
SITE = "/opt/venv/lib/python3.11/site-packages/"
PINNED = re.compile(r"[a-z/]+:\d+\.\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?")
LOCKED = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)


EMPTY = {"deploymentSpec": {"executors": {}}, "components": {}}
ONE = {
    "deploymentSpec": {"executors": {"exec-complete": {"container": {"image": "python:3.11", "command": ["python3"], "args": []}}}},
    "components": {"comp-complete": {"executorLabel": "exec-complete", "inputDefinitions": {"parameters": {}}}},
}
"""IRs of pipelines without steps, and with one."""


@dataclass(frozen=True)
class Instruction:
    """One of a Dockerfile, its lines joined."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()


@cache
def dockerfile(name: str) -> tuple[Instruction, ...]:
    lines = [line for line in (IMAGES / f"{name}.Dockerfile").read_text().splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return tuple(Instruction(*line.split(maxsplit=1)) for line in joined.splitlines())


def of(name: str, instruction: str) -> list[Instruction]:
    return [one for one in dockerfile(name) if one.name == instruction]


def copied(name: str) -> dict[str, list[str]]:
    """What is copied from the repository, by where it goes."""
    from_context = [one.words for one in of(name, "COPY") if not one.words[0].startswith("--from=")]
    return {words[-1]: words[:-1] for words in from_context}


@pytest.mark.parametrize("name", NAMES)
def test_every_base_is_pinned_or_a_stage(name: str) -> None:
    stages: set[str] = set()
    for one in of(name, "FROM"):
        assert one.words[0] in stages or PINNED.fullmatch(one.words[0]), one.text
        stages |= {one.words[2]} if len(one.words) > 1 else set()
    sources = {one.words[0].removeprefix("--from=") for one in of(name, "COPY") if one.words[0].startswith("--from=")}
    assert sources <= stages


@pytest.mark.parametrize("name", NAMES)
def test_the_user_is_the_pods_and_the_last_word(name: str) -> None:
    assert dockerfile(name)[-1] == Instruction("USER", f"{USER}:{USER}")
    assert len(of(name, "USER")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_packages_are_installed_by_hash_from_files_that_are_copied(name: str) -> None:
    commands = [command for one in of(name, "RUN") for command in one.text.split("&&") if "pip install" in command]
    assert len(commands) == 2
    for command in commands:
        assert "--require-hashes" in command
        assert all(not word.startswith(("git+", "http")) for word in command.split())
    wanted = {PurePosixPath(file).name for command in commands for file in re.findall(r"-r /build/(\S+)", command)}
    assert wanted == {PurePosixPath(source).name for source in copied(name)["/build/"]}
    builds = [one.text for one in of(name, "RUN") if "--no-build-isolation" in one.text]
    assert len(builds) == 1 and builds[0].rstrip().endswith("pip")


@pytest.mark.parametrize("name", NAMES)
def test_no_pip_stays_and_our_packages_are_compiled(name: str) -> None:
    final = [index for index, one in enumerate(dockerfile(name)) if one.name == "FROM"][-1]
    assert any("pip uninstall --yes wheel setuptools pip" in one.text for one in dockerfile(name)[final:] if one.name == "RUN")
    (compiled,) = [one.text for one in of(name, "RUN") if "compileall" in one.text]
    ours = [target.removeprefix(SITE) for target in copied(name) if target.startswith(SITE)]
    assert compiled.split("unchecked-hash ")[1].split() == ours
    assert not any("PYTHONDONTWRITEBYTECODE" in one.text for one in dockerfile(name))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_exists_and_is_in_the_context(name: str) -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in (source for sources in copied(name).values() for source in sources):
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in let_in), source


@pytest.mark.parametrize("name", NAMES)
def test_modules_of_its_commands_are_importable_and_copied(name: str) -> None:
    commands = [json.loads(one.text) for one in [*of(name, "CMD"), *of(name, "ENTRYPOINT")]]
    modules = [command[2] for command in commands if command[:2] == ["python", "-m"]]
    assert modules or name in ("notebook", "spark")
    for module in modules:
        assert importlib.util.find_spec(module) is not None
        assert SITE + module.split(".")[0] in copied(name)


def test_the_programs_of_jobs_and_endpoints_are_in_the_runtime_image() -> None:
    dataset = Dataset(metadata=Metadata(name="rows"), spec=DatasetSpec())
    command = program(dataset_objects(dataset, place(), "d", {})).container.command
    for module in (command[2], "mlx_runtime.server.container"):
        assert importlib.util.find_spec(module) is not None
        assert SITE + module.split(".")[0] in copied("runtime")


@pytest.mark.parametrize("name", NAMES)
def test_what_our_packages_import_of_ours_is_in_the_image(name: str) -> None:
    there = {target.removeprefix(SITE) for target in copied(name) if target.startswith(SITE)}
    texts = [path.read_text() for source in (copied(name)[SITE + package][0] for package in there) for path in (ROOT / source).rglob("*.py")]
    assert {package for text in texts for package in re.findall(r"^\s*(?:from|import) (mlx_\w+)", text, re.MULTILINE)} <= there


def test_the_programs_of_steps_and_of_the_apply_after_them_are_in_the_pipelines_image() -> None:
    compiled = Compiled({**EMPTY, "root": {"dag": {"tasks": {}}}}, "", ONE)
    spec, _ = on_cluster(compiled, Pipeline(metadata=Metadata(name="mine"), spec=PipelineSpec(entry="mine:pipeline")), place())
    (step,) = [each["container"]["command"] for each in spec["deploymentSpec"]["executors"].values()]
    (apply,) = completion_job(place(), "s3://bucket/state", None)["spec"]["template"]["spec"]["containers"]
    for module in (step[2], apply["command"][2]):
        assert importlib.util.find_spec(module) is not None
        assert SITE + module.split(".")[0] in copied("pipelines")


def test_the_main_file_of_spark_applications_is_in_their_image() -> None:
    dataset = Dataset(metadata=Metadata(name="rows"), spec=DatasetSpec(compute=Compute(nodes=2)))
    images = place().target.images.model_copy(update={"spark": place().target.images.runtime})
    with_spark = replace(place(), target=place().target.model_copy(update={"images": images}))
    (application,) = [one for one in dataset_objects(dataset, with_spark, "d", {}) if one["kind"] == "SparkApplication"]
    assert application["spec"]["mainApplicationFile"].removeprefix("local://") in copied("spark")
    (base,) = [one.words[0] for one in of("spark", "FROM") if one.words[0].startswith("apache/spark:")]
    assert base.startswith(f"apache/spark:{application['spec']['sparkVersion']}-")


def test_spark_has_the_kafka_connector_of_its_version_and_as_tests_run_with_it() -> None:
    folder, here = ROOT / "tools" / "spark-kafka", "{http://maven.apache.org/POM/4.0.0}"
    package = f"org.apache.spark:spark-sql-kafka-0-10_2.13:{SPARK_VERSION}"
    (wanted,) = ElementTree.parse(folder / "pom.xml").iterfind(f"{here}dependencies/{here}dependency")
    assert ":".join(str(wanted.findtext(f"{here}{part}")) for part in ("groupId", "artifactId", "version")) == package
    jars = [line.split()[1] for line in (folder / "jars.sha256").read_text().splitlines()]
    of_spark = [f"spark-{name}-kafka-0-10_2.13-{SPARK_VERSION}.jar" for name in ("sql", "token-provider")]
    assert jars == ["commons-pool2-2.12.0.jar", "kafka-clients-3.9.0.jar", *of_spark]
    assert ("pyspark", SPARK_VERSION) in LOCKED.findall((ROOT / "requirements" / "dev.txt").read_text())

    (resolve,) = [one for one in of("spark", "RUN") if "--packages" in one.words]
    assert resolve.words[resolve.words.index("--packages") + 1] == package
    (table,) = [target for target, sources in copied("spark").items() if sources == ["tools/spark-kafka/jars.sha256"]]
    steps = [step.strip() for step in resolve.text.split("&&")]
    assert f"done < {table}jars.sha256" in steps[-2]
    assert steps[-1] == f"sha256sum --check --strict {table}jars.sha256"
    placed = [one.words for one in of("spark", "COPY") if one.words[0] == "--from=connector"]
    assert placed == [["--from=connector", f"{steps[-3].removeprefix('cd ')}/", "/opt/spark/jars/"]]


def test_the_locks_have_hashes_and_the_versions_that_tests_run_with() -> None:
    tested, laptop = (set(LOCKED.findall((ROOT / "requirements" / file).read_text())) for file in ("dev.txt", "local.txt"))
    for file in sorted(IMAGES.glob("*.txt")):
        text = file.read_text()
        locked = set(LOCKED.findall(text))
        assert locked <= tested, file.name
        assert not {name for name, _ in locked} & {name for name, _ in laptop}, file.name
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text.strip())), file.name
