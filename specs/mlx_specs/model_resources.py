"""Inputs and outputs of model versions and their champion, with the fingerprint of what a version is made of."""

from typing import Any, Literal, cast

from pydantic import Field
from pydantic.alias_generators import to_camel

from mlx_specs.digests import UNKNOWN_DIGEST, digest
from mlx_specs.resources import About, ParameterList, Parameters, PreparedData, Version, Wire


class ModelVersionInputs(Wire):
    """``mlx:index:ModelVersion``: create trains; id = the fingerprint. Delete removes neither version nor run.

    Everything down to ``libraries`` is in the fingerprint; what follows is not.
    """

    model: str
    task: str
    entry: str
    arguments: Parameters = Field(default_factory=dict)
    code_digest: str = ""
    """Filled in by check, as CompiledPipelineInputs.code_digest."""
    data: PreparedData
    target: str
    features: list[str] | None = None
    split: dict[str, Any]
    algorithm: str | None = None
    parameters: Parameters = Field(default_factory=dict)
    candidates: ParameterList = Field(default_factory=list[dict[str, Any]])
    """name, algorithm and parameters of each."""
    search: Parameters = Field(default_factory=dict)
    """As in the spec; empty: nothing is searched."""
    judged_by: str = ""
    """The metric that chooses among candidates and trials; empty where there is nothing to choose from."""
    seed: int = 0
    predict_at: str | None = None
    libraries: dict[str, str] = Field(default_factory=dict)
    """Filled in by check with retrainOn: dependencies; else empty."""

    home: str
    ir: str
    """Path of the compiled pipeline."""
    success: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    package: Literal["auto", "onnx", "native"] = "auto"
    retrain_on: list[str] = Field(default_factory=list)
    cpu: int | None = None
    memory: str | None = None
    gpu: int | None = None
    about: About = About()
    fingerprint: str = ""
    """Filled in by check when everything it is made of is known."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The import paths of all that may be fitted."""
        own = (self.algorithm,) if self.algorithm else ()
        return (*own, *(str(candidate["algorithm"]) for candidate in self.candidates))

    @property
    def fits(self) -> int:
        """How often a training fits: every candidate, every trial, and then the best."""
        return len(self.candidates) + int(self.search.get("trials", 0)) + 1


class ModelVersionOutputs(ModelVersionInputs):
    """The artifact stands in HOME/models/MODEL/FINGERPRINT/; the version in MLflow under the model's name."""

    version: str = ""
    run_id: str = ""
    artifact: str = ""
    artifact_digest: str = ""
    engine: str = ""
    """onnx or native, with the reason in the artifact's model.json."""
    metrics: dict[str, float] = Field(default_factory=dict)


NOT_IN_FINGERPRINT = frozenset({"home", "ir", "success", "package", "retrain_on", "cpu", "memory", "gpu", "about", "fingerprint", "model"})
OUTSIDE_FINGERPRINT = frozenset(to_camel(name) for name in NOT_IN_FINGERPRINT)
"""The same, as the wire names them."""
NOT_IN_DATA_FINGERPRINT = frozenset({"name", "path"})


def fingerprint(inputs: ModelVersionInputs) -> str:
    """sha256 over what a model version is made of: code, algorithm, parameters, seed, label, split, features, data.

    ``UNKNOWN_DIGEST`` while a part is not known. The name of the model is not in it (two names may share a version's bytes);
    nor are compute, gates, packaging, paths.
    """
    parts = inputs.model_dump(mode="json", exclude=set(NOT_IN_FINGERPRINT))
    parts["data"] = {key: value for key, value in parts["data"].items() if key not in NOT_IN_DATA_FINGERPRINT}
    return UNKNOWN_DIGEST if _is_unknown(parts) else digest(parts)


def _is_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_unknown(item) for item in cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return any(_is_unknown(item) for item in cast("list[Any]", value))
    return value == UNKNOWN_DIGEST


class ChampionInputs(Wire):
    """``mlx:index:Champion``: judges a candidate and moves the registry's alias; id = MODEL@ALIAS."""

    model: str
    alias: str = "champion"
    home: str
    candidate: Version
    success: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    about: About = About()


class ChampionOutputs(ChampionInputs):
    """``current`` is what the alias points to now; ``passed`` and ``reasons`` are the verdict on the candidate."""

    current: Version = Version()
    decided: str = ""
    """The version that the alias was left on when it was last decided; another in the registry means that somebody moved it."""
    passed: bool = False
    reasons: list[str] = Field(default_factory=list)
