"""The fields of Pipeline, Model and Inference: a second value for each, and what is seen of the running thing with the one and the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from applied_trial import Look, Seen
from candidate_fields import CANDIDATE_ROWS
from model_trial import ABOUT, API, BASE, FEWER, MODELS, OTHER_ABOUT, ROWS
from trials import made

GIB = 2**30


@dataclass(frozen=True)
class ModelCase:
    """One field of an object with a second value; ``seen`` gives both observations on the applied workspace."""

    path: str
    base: Mapping[str, Any]
    value: Any
    seen: Callable[[Seen], tuple[Any, Any]]
    expected: tuple[Any, Any]


def model(**more: Any) -> dict[str, Any]:
    return made("Model", "trial", {**BASE, **more}, **ABOUT)


def judged(**criterion: Any) -> dict[str, Any]:
    return model(success=[{"metric": "rmse", "atMost": 1.0, **criterion}])


def api(**more: Any) -> dict[str, Any]:
    return made("Inference", "trial", {**API, **more}, **ABOUT)


def batch(**more: Any) -> dict[str, Any]:
    return made("Inference", "trial", {"mode": "batch", "model": "base@champion", "batch": {"input": "rows", **more}}, **ABOUT)


def both(of: Callable[[Seen, str], Any], one: str, other: str) -> Callable[[Seen], tuple[Any, Any]]:
    """The same observation of a base and of its variant."""
    return lambda seen: (of(seen, one), of(seen, other))


def over_time(of: Callable[[Look], Any]) -> Callable[[Seen], tuple[Any, Any]]:
    """The same observation before and after an update in place."""
    return lambda seen: (of(seen.first), of(seen.second))


def later(of: Callable[[Look], Any]) -> Callable[[Seen], tuple[Any, Any]]:
    """The same observation after the second and after the third apply."""
    return lambda seen: (of(seen.second), of(seen.third))


def verdict(model: str) -> Callable[[Look], Any]:
    """Whether the model's newest version passed its criteria."""
    return lambda at: at.status[f"Model/{model}"]["status"]


def tags(at: Look) -> dict[str, str]:
    """The tags of the registered model ``classes`` in MLflow that came from its spec."""
    return {key: value for key, value in at.registered["classes"][1].items() if not key.startswith("mlx.")}


LABELS = {"tier": "2", "cost": "ml"}
NEWEST = list(range(180, 240))
PIPELINES: tuple[ModelCase, ...] = (
    ModelCase(
        "Pipeline.spec.entry", made("Pipeline", "quick", {"entry": "own_steps:quick"}), "own_steps:other",
        both(lambda seen, name: seen.given(name)["note"], "base", "other-data"), ("first", "from the other entry"),
    ),
    ModelCase(
        "Pipeline.spec.arguments", made("Pipeline", "quick", {"entry": "own_steps:quick"}), {"note": "second"},
        both(lambda seen, name: seen.given(name)["note"], "base", "several"), ("first", "second"),
    ),
    *(
        ModelCase(f"Pipeline.metadata.{name}", made("Pipeline", "quick", {"entry": "own_steps:quick"}, **ABOUT), OTHER_ABOUT[name],
                  over_time(lambda at, name=name: at.pipeline[name]), (ABOUT[name], OTHER_ABOUT[name]))
        for name in ABOUT
    ),
)  # fmt: skip
MODEL_FIELDS: tuple[ModelCase, ...] = (
    ModelCase("Model.spec.task", made("Model", "trial", {**MODELS["classes"], "parameters": {}}), "regression",
              lambda seen: tuple([tensor["name"] for tensor in seen.model_file(name)["outputs"]] for name in ("classes", "base")),
              (["label", "probability_false", "probability_true"], ["prediction"])),
    ModelCase("Model.spec.pipeline", model(), "tabular", both(Seen.steps, "classes", "reference"),
              (["all-steps"], ["ingest", "validate", "split", "train", "evaluate", "package", "gate", "register"])),
    ModelCase("Model.spec.data", model(), "fewer", both(lambda seen, name: max(seen.held_out(name)) < FEWER, "base", "other-data"), (False, True)),
    ModelCase("Model.spec.target", model(), "total", both(lambda seen, name: seen.model_file(name)["target"], "base", "several"), ("y", "total")),
    ModelCase("Model.spec.features", model(), ["x"],
              both(lambda seen, name: [tensor["name"] for tensor in seen.model_file(name)["inputs"]], "base", "several"), (["x", "z"], ["x"])),
    ModelCase("Model.spec.split.by", model(), "time", both(lambda seen, name: seen.held_out(name) == NEWEST, "base", "by-time"), (False, True)),
    ModelCase("Model.spec.split.test", model(), 0.5,
              both(lambda seen, name: len(seen.held_out(name)), "base", "other-data"), (ROWS // 4, FEWER // 2)),
    ModelCase("Model.spec.split.testFrom", model(split={"by": "time"}), "2024-07-19",
              both(Seen.held_out, "by-time", "from-day"), (NEWEST, list(range(200, 240)))),
    ModelCase("Model.spec.algorithm", model(), "own_models:Witness",
              both(lambda seen, name: type(seen.estimator(name)).__name__, "base", "several"), ("Ridge", "Witness")),
    ModelCase("Model.spec.parameters", model(), {"alpha": 100.0}, both(lambda seen, name: seen.estimator(name).alpha, "base", "several"), (1.0, 100.0)),
    ModelCase("Model.spec.seed", model(), 4,
              lambda seen: (len(seen.held_out("several")), seen.held_out("several") == seen.held_out("base")), (ROWS // 4, False)),
    ModelCase("Model.spec.success", model(), [{"metric": "rmse", "atMost": 0.001}], over_time(verdict("by-time")), ("Ready", "Challenger")),
    ModelCase("Model.spec.success[].atMost", judged(atMost=0.001), 100.0, later(verdict("by-time")), ("Challenger", "Ready")),
    ModelCase("Model.spec.success[].atLeast", model(success=[{"metric": "r2", "atLeast": 2.0}]), 0.5, later(verdict("from-day")), ("Challenger", "Ready")),
    ModelCase("Model.spec.success[].metric", model(success=[{"metric": "rmse", "atLeast": 0.5}]), "r2", later(verdict("noted-time")), ("Challenger", "Ready")),
    ModelCase("Model.spec.success[].metric", made("Model", "trial", MODELS["classes"]), "brier", both(Seen.plots, "classes", "reference"),
              ({"confusion", "importance", "roc", "precision_recall"}, {"confusion", "importance", "calibration"})),
    ModelCase("Model.spec.success[].tolerance", judged(tolerance=0.01), 1000.0, later(verdict("rival")), ("Challenger", "Ready")),
    ModelCase("Model.spec.package", model(), "onnx", over_time(lambda at: at.status["Model/base"]["engine"]), ("native", "onnx")),
    ModelCase("Model.spec.package", model(), "auto", over_time(lambda at: at.status["Model/from-day"]["engine"]), ("native", "onnx")),
    ModelCase("Model.spec.compute.cpu", model(), 2, both(lambda seen, name: seen.given(name)["threads"] == "2", "base", "several"), (False, True)),
    ModelCase("Model.spec.compute.gpu", model(), 0, both(lambda seen, name: seen.given(name)["gpus"], "base", "several"), (None, "0")),
    ModelCase("Model.spec.compute.memory", model(), "3Gi", both(lambda seen, name: seen.given(name)["memory"], "base", "several"), (-1, 3 * GIB)),
    ModelCase("Model.metadata.description", model(), "Another trial.", over_time(lambda at: at.registered["classes"][0]), ("A trial.", "Another trial.")),
    ModelCase("Model.metadata.owner", model(), "other team", over_time(lambda at: tags(at)["owner"]), ("trial team", "other team")),
    ModelCase("Model.metadata.labels", model(), LABELS, over_time(tags), ({"owner": "trial team", "tier": "1"}, {"owner": "other team", **LABELS})),
)  # fmt: skip
INFERENCES: tuple[ModelCase, ...] = (
    ModelCase("Inference.spec.mode", made("Inference", "trial", {"mode": "realtime", "model": "base@champion"}), "batch",
              both(lambda seen, name: sorted({"url", "path"} & seen.first.status[f"Inference/{name}"].keys()), "api", "all"), (["url"], ["path"])),
    ModelCase("Inference.spec.model", api(), "several@champion",
              lambda seen: tuple(seen.first.status[f"Inference/{name}"]["model"] for name in ("api", "api-other")), ("base@champion", "several@champion")),
    ModelCase("Inference.spec.realtime.port", api(), 18_477, lambda seen: (port_asked_for(seen, "api"), port_asked_for(seen, "api-other")), (False, True)),
    ModelCase("Inference.spec.realtime.timeout", api(), "1s", both(Seen.patience, "api", "api-other"), (2, 1)),
    ModelCase("Inference.spec.realtime.maxRows", api(), 2, lambda seen: (seen.answers("api", 3), seen.answers("api-other", 3)), (200, 413)),
    ModelCase("Inference.spec.batch.input", batch(), "fewer", both(lambda seen, name: seen.predictions(name).num_rows, "all", "all-other"), (ROWS, FEWER)),
    ModelCase("Inference.spec.batch.trigger", batch(), "manual",
              both(lambda seen, name: seen.first.status[f"Inference/{name}"]["status"], "all", "all-manual"), ("Done", "NotRun(manual)")),
    ModelCase("Inference.spec.batch.columns", batch(), ["z"], both(lambda seen, name: seen.predictions(name).column_names[:-3], "all", "all-other"),
              (["id"], ["id", "x", "z"])),
    ModelCase("Inference.spec.compute.cpu", api(), 2, both(Seen.threads, "api", "api-other"), ("1", "2")),
    ModelCase("Inference.spec.compute.memory", api(), "3Gi", both(Seen.data_limit, "api", "api-other"), ("unlimited", str(3 * GIB))),
    ModelCase("Inference.spec.compute.cpu", batch(), 2, both(lambda seen, name: witnessed(seen, name) % 100, "witness", "witness-other"), (1, 2)),
    ModelCase("Inference.spec.compute.memory", batch(), "2Gi", both(lambda seen, name: witnessed(seen, name) // 100, "witness", "witness-other"), (0, 2)),
    *(
        ModelCase(f"Inference.metadata.{name}", base, OTHER_ABOUT[name], over_time(of), (ABOUT[name], OTHER_ABOUT[name]))
        for name in ABOUT
        for base, of in ((api(), lambda at, name=name: at.metadata["parameters"][name]), (batch(), lambda at, name=name: at.latest["about"][name]))
    ),
)  # fmt: skip
CANDIDATES = tuple(ModelCase(f"Model.spec.{path}", *rest) for path, *rest in CANDIDATE_ROWS)
MODEL_CASES = (*PIPELINES, *MODEL_FIELDS, *CANDIDATES, *INFERENCES)


def witnessed(seen: Seen, inference: str) -> int:
    """What the model that tells of its process predicts for every row."""
    (told,) = set(seen.predictions(inference).column("prediction").to_pylist())
    return int(told)


def port_asked_for(seen: Seen, inference: str) -> bool:
    """Whether it listens on the port that its spec names."""
    asked = {one["metadata"]["name"]: one["spec"].get("realtime", {}).get("port") for one in seen.objects if one["kind"] == "Inference"}
    return seen.url(inference).endswith(f":{asked[inference]}")
