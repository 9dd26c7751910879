"""What mlx offers to a pipeline, and what a pipeline must leave behind. The one place that says so.

A pipeline takes any subset of :class:`Offered` by name, and beside them parameters of its own, which get their values from
the Pipeline spec's ``arguments``. It must leave a packaged model in ``artifact_folder`` (the step ``package`` does; so does
``mlx_runtime.artifact.write_artifact``); what it leaves in ``run_folder`` under the names below is found again.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mlx_pipelines.errors import PipelineError
from mlx_specs import layout
from mlx_specs.base import plain
from mlx_specs.model import ModelSpec
from mlx_specs.model_resources import ModelVersionInputs

HELD_OUT = "held_out.parquet"
"""The rows that no training saw, with all columns of the data: gates judge on them, later ones too."""
ESTIMATOR = "estimator.pickle"
"""The fitted estimator: packaging again in another format needs no training."""
METRICS = "metrics.json"
"""Metrics on the held-out rows, by name."""
VERDICT = "verdict.json"
"""What the gate said when the version was made."""
PLOTS = "plots"
"""PNG files."""
CHAMPION = "champion"
"""The registry's alias of the version that endpoints serve."""
REGISTER_STEP = "register"
RUN, RUN_ID = "mlx_run", "mlx_run_id"
"""Parameters that every step has on a cluster: the submitted ModelVersionInputs as JSON, and KFP's id of the run."""
APPLY_MAP, APPLY_JOB = "mlx-apply", "job.json"
"""The ConfigMap of an environment on a cluster that holds the Job that applies, and its key there."""
EVERY_COLUMN = "mlx:every-column"
"""Stands for the features of a Model that names none, until its rows are known."""


@dataclass(frozen=True)
class Offered:
    """The parameters by name; all are str or int, structured ones are JSON text, for KFP turns numbers in a dict into floats."""

    data: str
    """The prepared rows: a Parquet file, relative to the workspace, which is the working directory of each step."""
    data_digest: str
    target: str
    features: str
    """JSON list: the columns that the model may use, never empty."""
    keys: str
    """JSON list: the columns that identify a row."""
    event_time: str
    """The column with a row's moment, or empty."""
    task: str
    """classification or regression"""
    predict_at: str
    split: str
    """JSON object as in the spec: by, test, testFrom."""
    algorithm: str | None
    """Empty where there are candidates. None where the Model names none: then it is not given, and the function's own default holds."""
    parameters: str
    """JSON object."""
    candidates: str
    """JSON list: name, algorithm and parameters of each; empty where there is one algorithm only."""
    search: str
    """JSON object as in the spec; empty where nothing is searched."""
    seed: int
    success: str
    """JSON list of criteria as in the spec: metric, atLeast, atMost, tolerance."""
    package: str
    """auto, onnx or native"""
    model: str
    fingerprint: str
    code_digest: str
    home: str
    """The environment's folder; MLflow's store and the registry are below it."""
    artifact_folder: str
    run_folder: str
    about: str
    """JSON object: description, owner, labels."""


NAMES = frozenset(field.name for field in fields(Offered))
ONLY_BY_PIPELINE = ("features", "split", "algorithm", "parameters", "candidates", "search", "seed", "package")
"""Fields of a Model that nothing but its pipeline looks at: where that has no such parameter, they would be ignored."""


def offered(inputs: ModelVersionInputs, features: list[str]) -> Offered:
    """The values for one model version; ``features`` are those of the spec, or all that the data has to offer."""
    return Offered(
        data=inputs.data.path,
        data_digest=inputs.data.digest,
        target=inputs.target,
        features=json.dumps(features),
        keys=json.dumps(inputs.data.keys),
        event_time=inputs.data.event_time or "",
        task=inputs.task,
        predict_at=inputs.predict_at or "",
        split=json.dumps(inputs.split, sort_keys=True),
        algorithm="" if inputs.candidates else inputs.algorithm,
        parameters=json.dumps(inputs.parameters, sort_keys=True),
        candidates=json.dumps(inputs.candidates, sort_keys=True),
        search=json.dumps(inputs.search, sort_keys=True),
        seed=int(inputs.seed),
        success=json.dumps(inputs.success, sort_keys=True),
        package=inputs.package,
        model=inputs.model,
        fingerprint=inputs.fingerprint,
        code_digest=inputs.code_digest,
        home=inputs.home,
        artifact_folder=layout.artifact(inputs.home, inputs.model, inputs.fingerprint).as_posix(),
        run_folder=layout.run(inputs.home, inputs.model, inputs.fingerprint).as_posix(),
        about=json.dumps(inputs.about.wire(), sort_keys=True),
    )


def arguments_for(taken: Collection[str], values: Offered, own: Mapping[str, Any]) -> dict[str, Any]:
    """What the pipeline function is called with: what it takes of ours, and its own arguments."""
    return {name: value for name, value in asdict(values).items() if name in taken and value is not None} | dict(own)


def refuse_what_is_ignored(inputs: ModelVersionInputs, parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises PipelineError for a field of the Model that the compiled function has no parameter for, or that it lacks.

    ``mlx validate`` says the same wherever the function's source can be read.
    """
    ignored = [name for name in ONLY_BY_PIPELINE if name not in parameters and _is_set(name, getattr(inputs, name))]
    if ignored:
        name = ignored[0]
        raise PipelineError(ignored_words(inputs.entry, name), hint=ignored_hint(name))
    if not inputs.algorithms and "algorithm" in parameters and not parameters["algorithm"].get("isOptional"):
        raise PipelineError(f"{inputs.entry} takes 'algorithm', and model {inputs.model!r} has none", hint="write the Model's algorithm")


def ignored_words(entry: str, name: str) -> str:
    """What is wrong with a Model's field that its pipeline does not take."""
    return f"{entry} has no parameter {name!r}: the Model's {name!r} would be ignored"


def ignored_hint(name: str) -> str:
    """What to do about it."""
    return f"take it out of the Model, or add the parameter `{name}: {'int' if name == 'seed' else 'str'}` to the pipeline's function: mlx gives it by name"


def _is_set(name: str, value: Any) -> bool:
    default = ModelSpec.model_fields[name].get_default(call_default_factory=True)
    return bool(value) and value != (plain(default) if isinstance(default, BaseModel) else default)


def default_features(data: Path, inputs: ModelVersionInputs) -> list[str]:
    """All columns but the target, the keys and the event time."""
    import pyarrow.parquet as parquet

    left_out = {inputs.target, inputs.data.event_time, *inputs.data.keys}
    return [name for name in parquet.read_schema(data).names if name not in left_out]
