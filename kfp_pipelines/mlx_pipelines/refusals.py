"""What KFP's local runner would run wrongly or not at all, found in the IR and refused by name.

Enters: the documents of a compiled pipeline. Leaves: nothing, or a PipelineError with all refusals. Each function below
is one rule; its docstring says what the runner does instead.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

from mlx_pipelines.errors import PipelineError

QUOTED = re.compile(r"'([^']+)'")
LIGHTWEIGHT = "kfp.dsl.executor_main"
REMOTE = ("gs://", "s3://", "minio://", "oci://", "https://", "http://")
GPU_HINT = "leave it out here: the Model's compute (gpu) demands one for its training"
COMPUTE_HINT = "leave it out here: the Model's compute (cpu, memory) sets threads and a memory limit for all of its steps"
Found = tuple[str, str]
"""What, and what to do instead."""


def refuse_what_runs_wrongly(documents: list[dict[str, Any]]) -> None:
    """Raises a PipelineError that names everything found."""
    found = [one for rule in RULES for one in rule(documents)]
    if found:
        raise PipelineError(
            "on the laptop this pipeline cannot run: " + "; ".join(what for what, _ in found), hint="; ".join(dict.fromkeys(hint for _, hint in found))
        )


def _container_steps(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """The subprocess runner stops at a step that is a container image."""
    for name, container in _containers(documents[0]):
        if not any(LIGHTWEIGHT in part for part in container.get("command", [])):
            yield (
                f"step {name!r} runs a container image ({container.get('image', '')})",
                "write the step as a Python function with @dsl.component, or run it on a cluster",
            )


def _packages(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """The subprocess runner installs a step's packages into the environment that mlx itself runs in; we skip that."""
    for name, container in _containers(documents[0]):
        missing = [package for package in packages_to_install(container.get("command", [])) if not is_installed(package)]
        if missing:
            yield (
                f"step {name!r} installs packages, which would change the environment that mlx runs in: {', '.join(missing)}",
                f"install them there yourself (pip install {' '.join(repr(package) for package in missing)}), then the step uses them",
            )


def _variables(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """The subprocess runner ignores set_env_variable."""
    for name, container in _containers(documents[0]):
        if container.get("env"):
            yield f"step {name!r} sets environment variables, which the local runner ignores", "make them parameters of the step"


def _conditions(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """A lone dsl.If is always skipped, If/Else runs both branches, OneOf is not implemented."""
    for name, task in tasks(documents[0]):
        if task.get("triggerPolicy", {}).get("condition"):
            yield (
                f"{name!r} is conditional (dsl.If, dsl.Elif, dsl.Else, dsl.OneOf), which the local runner decides wrongly",
                "put the condition inside a step, or make gates of it (Model.success)",
            )


def _exit_handlers(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """After a failure nothing more is run, exit handlers neither."""
    for name, task in tasks(documents[0]):
        if task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED":
            yield (
                f"{name!r} runs even after a failure (dsl.ExitHandler, ignore_upstream_failure), which the local runner does not do",
                "clean up inside the step, with try and finally",
            )


def _retries(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """set_retry is ignored."""
    for name, task in tasks(documents[0]):
        if task.get("retryPolicy"):
            yield f"step {name!r} asks for retries (set_retry), which the local runner ignores", "retry inside the step"


def _resources(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """CPU, memory and accelerators of a step are ignored: set_memory_limit limits nothing."""
    for name, container in _containers(documents[0]):
        asked = container.get("resources", {})
        if any("accelerator" in key.lower() for key in asked):
            yield (
                f"step {name!r} asks for an accelerator (set_accelerator_type, set_accelerator_limit, set_gpu_limit, add_node_selector_constraint), "
                "which the local runner ignores",
                GPU_HINT,
            )
        if any("cpu" in key.lower() or "memory" in key.lower() for key in asked):
            yield f"step {name!r} asks for CPU or memory (set_cpu_limit, set_memory_limit and their requests), which the local runner ignores", COMPUTE_HINT


def _parallelism(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """A loop's items run one after the other, however many may run at once."""
    for name, task in tasks(documents[0]):
        if task.get("iteratorPolicy", {}).get("parallelismLimit"):
            yield (
                f"{name!r} sets the parallelism of a loop (dsl.ParallelFor), whose items the local runner runs one after the other",
                "leave it out here: nothing runs side by side",
            )


def _remote_artifacts(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """An importer of an object store's address would need the store and its credentials."""
    for name, executor in documents[0].get("deploymentSpec", {}).get("executors", {}).items():
        address = str(executor.get("importer", {}).get("artifactUri", {}).get("constant", ""))
        if address.startswith(REMOTE):
            yield f"step {name.removeprefix('exec-')!r} imports {address}", "declare it as a Dataset, whose rows mlx prepares, or read a local path"


def _platform(documents: list[dict[str, Any]]) -> Iterator[Found]:
    """Secrets, volumes and node selectors of kfp-kubernetes stand in a second document, which the local runner never reads."""
    for document in documents[1:]:
        for platform, spec in document.get("platforms", {}).items():
            steps = spec.get("deploymentSpec", {}).get("executors", {})
            if steps:
                names = ", ".join(repr(name.removeprefix("exec-")) for name in sorted(steps))
                yield f"{names} ask for things of {platform} (secrets, volumes, node selectors)", "leave them to the cluster's environments"


def packages_to_install(command: list[str]) -> list[str]:
    """The requirements in a step's pip line, without KFP's own."""
    if not has_pip_line(command):
        return []
    quoted = [text for call in command[2].split("pip install")[1:] for text in QUOTED.findall(call.replace('"$0" "$@"', ""))]
    return [text for text in quoted if not text.startswith(("-", "kfp==", "typing-extensions>="))]


def has_pip_line(command: list[str]) -> bool:
    """Whether the first three parts of the command install packages before the step runs."""
    return command[:2] == ["sh", "-c"] and len(command) > 3 and "pip install" in command[2]


def is_installed(package: str) -> bool:
    """Whether the environment that mlx runs in satisfies a requirement such as ``numpy>=2``."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(package)
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except (InvalidRequirement, metadata.PackageNotFoundError):
        return False


def tasks(ir: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All tasks by name, of the root and of all inner pipelines."""
    dags = [ir["root"]["dag"], *(component["dag"] for component in ir.get("components", {}).values() if "dag" in component)]
    for dag in dags:
        yield from sorted(dag["tasks"].items())


RULES: tuple[Callable[[list[dict[str, Any]]], Iterator[Found]], ...] = (
    _container_steps, _packages, _variables, _conditions, _exit_handlers, _retries, _resources, _parallelism, _remote_artifacts, _platform,
)  # fmt: skip


def _containers(ir: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, executor in sorted(ir.get("deploymentSpec", {}).get("executors", {}).items()):
        if "container" in executor:
            yield name.removeprefix("exec-"), executor["container"]
