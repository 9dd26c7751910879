"""After the last of a pipeline's own steps: the version is registered and judged, the alias moves, and what waits for it is completed.

On a laptop the provider does the same, while an apply waits. Repeating it changes nothing.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlx_pipelines.contract import APPLY_JOB, APPLY_MAP, CHAMPION
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.gate import judge_version
from mlx_pipelines.registered import Registered
from mlx_pipelines.registry import describe, find_fingerprint, find_version, set_alias
from mlx_pipelines.registry_server import NAMESPACE
from mlx_pipelines.train_version import register_left
from mlx_specs import layout
from mlx_specs.model_resources import ModelVersionInputs

Report = Callable[[str], None]
MISSING = 404


def complete_version(inputs: ModelVersionInputs, workspace: Path, report: Report) -> str:
    """The version's number; raises ``PipelineError``."""
    made = find_fingerprint(workspace, inputs.home, inputs.model, inputs.fingerprint) or register_left(inputs, inputs.features or [], workspace)
    if _promote(inputs, made, workspace, report):
        start_apply(report)
    return made.version


def _promote(inputs: ModelVersionInputs, made: Registered, workspace: Path, report: Report) -> bool:
    """Whether the alias points to this version now."""
    describe(workspace, inputs.home, inputs.model, inputs.about)
    champion = find_version(workspace, inputs.home, inputs.model, CHAMPION)
    if champion is not None and champion.version == made.version:
        report(f"version {made.version} is {CHAMPION}")
        return True
    candidate = made.reference().model_copy(update={"artifact": layout.artifact(inputs.home, inputs.model, inputs.fingerprint).as_posix()})
    verdict = judge_version(inputs.home, inputs.model, candidate, champion, inputs.success, workspace)
    if verdict.passed:
        set_alias(workspace, inputs.home, inputs.model, CHAMPION, made.version)
    report(f"version {made.version} " + (f"is now {CHAMPION}" if verdict.passed else f"stays a challenger: {'; '.join(verdict.reasons)}"))
    return verdict.passed


def start_apply(report: Report) -> None:
    """Starts the Job that stands ready in the namespace; where there is none, a person applies."""
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config.config_exception import ConfigException

    namespace = os.environ.get(NAMESPACE, "")
    try:
        config.load_config()
        core: Any = client.CoreV1Api()
        batch: Any = client.BatchV1Api()
        kept = core.read_namespaced_config_map(APPLY_MAP, namespace).data[APPLY_JOB]
        started = batch.create_namespaced_job(namespace, json.loads(kept))
    except ApiException as error:
        if error.status == MISSING:
            report("the state is not kept where pods can read it: the next mlx apply rolls this version out")
            return
        raise PipelineError(f"the Job that applies could not be started: {error.reason}", hint="may the service account mlx-train create Jobs here?") from error
    except ConfigException as error:
        raise PipelineError(f"the cluster cannot be asked from this pod: {error}", hint="the run's service account needs its token") from error
    report(f"started Job {started.metadata.name}: it completes what waits for this version")
