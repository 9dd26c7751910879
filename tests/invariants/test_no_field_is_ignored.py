"""No accepted field is ignored: a second value changes what the engine records and what can be seen of the running thing.

Every field of every kind is refused by a row of the table, or deferred with its kind or mode, or seen to work by a row here; a
field in none of these fails the first test by name.
"""

import os
import socket
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from applied_trial import Seen, look
from dataset_fields import CASES, Case, write_files, write_package
from deferred_fields import DEFERRED_KINDS, deferred_fields, first_object, new_value
from environment_fields import ENVIRONMENT_CASES, EnvironmentCase
from feature_fields import FEATURE_CASES
from field_paths import FieldPath, changed_at, concrete, every_field, value_at
from model_fields import MODEL_CASES, ModelCase
from model_trial import API, BASE, DATA, MODELS, SECOND, THIRD, all_objects, data_objects, pipelines, write_model_trial
from monitor_fields import MONITOR_CASES, WATCH, Answered, MonitorCase, answered, looked
from prepared import prepare
from refused_fields import VALUES, Refusal, refusals, refused_paths, refusing_here, with_refused
from trials import Trial, made, objects_of, recorded, silent

from mlx_specs.kinds import KINDS
from mlx_specs.support import TABLE, deferral
from mlx_stacks.apply import apply
from mlx_stacks.plan import Plan, make_plan
from mlx_stacks.workspace import open_workspace

BY_A_TEST_OF_ITS_OWN = {
    "Dataset.spec.inputs", "Dataset.spec.eventTime", "Dataset.spec.source[sql].watermark", "Model.spec.predictAt", "Model.spec.retrainOn",
    "Model.spec.featureService", "Inference.spec.features",
    "Environment.environments", *(f"{kind}.metadata.name" for kind in KINDS), *(f"{kind}.environments" for kind in KINDS),
}  # fmt: skip
OF_A_CLUSTER = ("Cluster.", "Environment.spec.target")
"""Fields of a cluster, and of an environment on one: nothing on this machine comes of them (tests/kubernetes has their walk)."""
ALSO_REFUSED = {"Model.spec.task", "Monitor.spec.action"}
"""Some values of these are refused, others work."""
SECRETS = {"MLX_TRIAL_ONE": "sqlite:///one.db", "MLX_TRIAL_TWO": "sqlite:///two.db", "MLX_TRIAL_FIRST": "first", "MLX_TRIAL_SECOND": "second"}


@pytest.fixture(scope="module", autouse=True)
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Environment variables that specs refer to, and an installed package that ships data."""
    folder = tmp_path_factory.mktemp("packages")
    write_package(folder)
    sys.path.append(str(folder))
    os.environ.update(SECRETS)
    yield
    sys.path.remove(str(folder))
    for name in SECRETS:
        del os.environ[name]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """A workspace with the sources of all datasets."""
    write_files(tmp_path)
    (tmp_path / "first.txt").write_text("first\n")
    (tmp_path / "second.txt").write_text("second\n")
    return Trial(tmp_path)


def test_every_field_of_every_kind_is_refused_or_deferred_or_seen_to_work() -> None:
    works = {case.path for case in (*CASES, *FEATURE_CASES, *MODEL_CASES, *MONITOR_CASES, *ENVIRONMENT_CASES)} | BY_A_TEST_OF_ITS_OWN
    deferred, refused = {field.path for field in deferred_fields()}, refused_paths().keys()
    fields = {field.path: field for field in every_field() if not field.path.startswith(OF_A_CLUSTER)}
    works = {path for path in works if not path.startswith(OF_A_CLUSTER)}
    constant = {path for path, field in fields.items() if len(field.values) == 1} - refused
    assert sorted(fields.keys() - works - deferred - refused - constant) == []
    assert sorted((works | deferred | refused) - fields.keys()) == []
    assert sorted((works & refused) - ALSO_REFUSED) == []
    assert sorted(deferred & (works | refused)) == []
    assert sorted(VALUES.keys() ^ refused) == []


def test_every_value_of_a_datasets_closed_sets_is_in_some_case() -> None:
    seen: dict[str, set[Any]] = {}
    for field in every_field():
        for case in CASES if field.kind == "Dataset" and len(field.values) > 1 else ():
            for one in (dataset(case.base), second(case)):
                value = value_at(one, field.path)
                seen.setdefault(field.path, set()).update([value] if isinstance(value, str) else [])
    lacking = {field.path: set(field.values) - seen[field.path] for field in every_field() if field.path in seen}
    assert {path: values for path, values in lacking.items() if values} == {}


def dataset(spec: Mapping[str, Any]) -> dict[str, Any]:
    return made("Dataset", "trial", spec)


def second(case: Case) -> dict[str, Any]:
    """The object with the second value."""
    changed = changed_at(dataset(case.base), case.path, case.value)
    for path, value in case.also.items():
        changed = changed_at(changed, path, value)
    return changed


def name_of(case: Any) -> str:
    return f"{case.path}={str(getattr(case, 'value', ''))[:24]}"


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_dataset_field_changes_what_is_recorded_and_what_is_prepared(case: Case, trial: Trial) -> None:
    before = prepare(trial.write([dataset(case.base)]), "trial")
    assert case.seen(before) == case.before
    first, _ = trial.planned()
    inputs, plan = trial.write([second(case)]).planned()
    assert inputs["PreparedDataset trial"] != first["PreparedDataset trial"]
    assert [one.id for one in plan.changed] == ["Dataset/trial"]
    assert case.seen(prepare(trial, "trial")) == case.after


def test_inputs_of_a_dataset_are_the_tables_that_its_sql_may_name(trial: Trial) -> None:
    sources = [dataset({"source": {"type": "csv", "path": f"{name}.csv"}}) | {"metadata": {"name": name}} for name in ("data", "more")]
    union = {"prepare": [{"sql": "select id from data union all select id from more"}]}
    trial.write([*sources, dataset({"inputs": ["data", "more"], **union})]).apply()
    first, _ = trial.planned()
    assert trial.status()["Dataset/trial"]["rows"] == 7
    assert sorted(first["PreparedDataset trial"]["inputs"]) == ["data", "more"]
    trial.write([*sources, dataset({"inputs": ["data"], **union})])
    assert [one.code for one in trial.diagnostics()] == ["sql"]
    unread = trial.write([*sources, dataset({"inputs": ["data", "more"], "prepare": [{"sql": "select id from data"}]})])
    assert [(one.code, one.message) for one in unread.diagnostics()] == [("unused", "no sql step reads the input 'more'")]


def test_a_watermark_is_what_a_plan_asks_instead_of_the_rows(trial: Trial) -> None:
    def changed_after_a_row(watermark: Mapping[str, str]) -> list[str]:
        source = {"type": "sql", "url": "sqlite:///one.db", "query": "select id from rows", **watermark}
        trial.write([dataset({"source": source})]).apply()
        client = sqlite3.connect(trial.root / "one.db")
        with client:
            client.execute("update rows set id = id + 10")
        client.close()
        return [one.id for one in trial.plan().changed]

    assert changed_after_a_row({}) == ["Dataset/trial"]
    assert changed_after_a_row({"watermark": "select count(*) from rows"}) == []
    assert changed_after_a_row({"watermark": "select max(id) from rows"}) == ["Dataset/trial"]


def refused_base(path: str) -> dict[str, Any]:
    kind = path.partition(".")[0]
    if path.startswith("Dataset.spec.source[sql]"):
        return dataset({"source": {"type": "sql", "url": {"env": "X"}, "query": "select id from rows"}})
    specs = {"Dataset": DATA, "Pipeline": {"entry": "own_steps:quick"}, "Model": BASE, "Inference": API, "Monitor": WATCH}
    spec = {"mode": "batch", "model": "base@champion", "batch": {"input": "rows"}} if ".batch." in path else specs.get(kind, {})
    return made(kind, "local" if kind == "Environment" else "trial", spec)


@pytest.mark.parametrize("one", refusals(), ids=lambda one: f"{one.path}={one.value}")
def test_what_cannot_be_done_yet_is_refused_at_its_place(one: Refusal, tmp_path: Path) -> None:
    trial, changed = Trial(tmp_path), with_refused(one, refused_base(one.path))
    others = [*data_objects(), *pipelines(), made("Model", "base", BASE), made("Inference", "api", API)]
    if changed["kind"] == "Environment":
        trial.write(others)
        (tmp_path / "stacks/local.yaml").write_text(yaml.safe_dump({"apiVersion": "mlx/v1", **changed}))
    else:
        trial.write([*others, changed])
    (found,) = [problem for problem in trial.diagnostics() if problem.code == "unsupported"]
    assert one.row.reason in found.message
    assert found.hint == one.row.hint
    assert one.row.field.rpartition(".")[2] in found.source_line


def test_every_row_of_what_is_refused_is_met() -> None:
    assert {one.row for one in refusals()} == set(refusing_here())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("Environment", "Cluster")])
def test_a_name_and_its_environments_say_which_object_there_is_and_where(kind: str, tmp_path: Path) -> None:
    specs = {"Dataset": DATA, "Pipeline": {"entry": "own_steps:quick"}, "Model": BASE, "Inference": API, "FeatureStore": {}, "Monitor": WATCH}
    first = made(kind, "trial", specs[kind]) if kind in specs else first_object(0, next(field for field in deferred_fields() if field.kind == kind))
    here = first["metadata"]["name"]

    def there_are(**changes: Any) -> tuple[set[str], set[str]]:
        others = [*data_objects(), *pipelines(), made("Model", "base", BASE), made("Inference", "api", API)]
        result = write_code(Trial(tmp_path)).write([*others, {**first, **changes}]).preview()
        return {id for id in objects_of(result) if id in (f"{kind}/{here}", f"{kind}/renamed")}, {id.partition(" ")[2] for id in recorded(result)} & {
            here,
            "renamed",
        }

    assert there_are() == there_are(environments=["local"]) == ({f"{kind}/{here}"}, {here})
    assert there_are(metadata={"name": "renamed"}) == ({f"{kind}/renamed"}, {"renamed"})
    (tmp_path / "stacks/prod.yaml").write_text("apiVersion: mlx/v1\nkind: Environment\nmetadata: {name: prod}\n")
    assert there_are(environments=["prod"]) == (set(), set())


def write_code(trial: Trial) -> Trial:
    write_model_trial(trial, 18_477)
    return trial


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``previews(objects)``: what an apply would record of these objects among others; nothing is applied."""
    trial = write_code(Trial(tmp_path_factory.mktemp("previews")))
    around = [*data_objects(), *pipelines(), made("Model", "base", BASE), made("Model", "several", MODELS["several"])]
    watched = [made("Inference", name, {**API, "realtime": {}}) for name in ("api", "other")]

    @cache
    def preview(text: str) -> dict[str, Mapping[str, Any]]:
        one = yaml.safe_load(text)
        around_it = [*around, *(watched if one["kind"] == "Monitor" else ())]
        others = [other for other in around_it if (other["kind"], other["metadata"]["name"]) != (one["kind"], one["metadata"]["name"])]
        return recorded(trial.write([*others, one]).preview())

    return lambda one: preview(yaml.safe_dump(one))


@pytest.mark.parametrize("case", MODEL_CASES, ids=name_of)
def test_a_field_of_a_model_or_an_inference_changes_what_is_recorded(case: ModelCase, previews: Any) -> None:
    changed = changed_at(case.base, case.path, case.value)
    if case.path == "Model.spec.task":
        changed = changed_at(changed_at(changed, "Model.spec.algorithm", "sklearn.linear_model.Ridge"), "Model.spec.success", [])
    if case.path == "Inference.spec.mode":
        changed = changed_at(changed, "Inference.spec.batch", {"input": "rows"})
    first, then = previews(case.base), previews(changed)
    assert first != then


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """What two endpoints have answered."""
    return answered(tmp_path_factory.mktemp("answered"))


@pytest.mark.parametrize("case", MONITOR_CASES, ids=name_of)
def test_a_field_of_a_monitor_changes_what_is_recorded_and_what_it_finds(case: MonitorCase, previews: Any, answers: Answered) -> None:
    first = made("Monitor", "trial", WATCH, description="First.", owner="us", labels={"tier": "1"})
    second = changed_at(first, case.path, case.value)
    assert previews(first)["Declared trial"] != previews(second)["Declared trial"]
    assert (case.seen(looked(first, answers)), case.seen(looked(second, answers))) == (case.before, case.after)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """The workspace of models, applied three times."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    trial, watched = Trial(tmp_path_factory.mktemp("models")), first_objects()
    write_model_trial(trial, port)
    looks = []
    try:
        for changes in ((), (SECOND,), (SECOND, THIRD)):
            trial.write([*all_objects(port, *changes), *watched], {"parallel": 2}).apply()
            looks.append(look(trial))
        yield Seen(trial, all_objects(port), *looks)
    finally:
        trial.write(all_objects(port)).destroy()


@pytest.mark.parametrize("case", MODEL_CASES, ids=name_of)
def test_a_field_of_a_model_or_an_inference_is_seen_in_what_runs(case: ModelCase, seen: Seen) -> None:
    assert case.seen(seen) == case.expected


def test_the_reference_pipeline_does_what_its_steps_do_with_the_same_fields(seen: Seen) -> None:
    by_hand, reference = seen.model_file("classes"), seen.model_file("reference")
    assert seen.held_out("classes") == seen.held_out("reference")
    assert seen.estimator("classes").get_params() == seen.estimator("reference").get_params()
    assert {**by_hand, "model": "", "fingerprint": ""} == {**reference, "model": "", "fingerprint": ""}


def test_the_event_time_is_what_a_split_by_time_goes_by(seen: Seen) -> None:
    assert (seen.held_out("by-time"), seen.held_out("noted-time")) == (list(range(180, 240)), list(range(60)))


def test_a_model_that_predicts_earlier_may_not_see_what_is_known_later(tmp_path: Path, previews: Any) -> None:
    model = made("Model", "trial", {**BASE, "features": ["x", "total"], "predictAt": "arrival"})
    earlier = changed_at(model, "Model.spec.predictAt", "booking")
    trial = write_code(Trial(tmp_path))
    assert trial.write([*data_objects(), *pipelines(), model]).diagnostics() == []
    assert [one.code for one in trial.write([*data_objects(), *pipelines(), earlier]).diagnostics()] == ["leak"]
    later = changed_at(made("Model", "trial", BASE), "Model.spec.predictAt", "arrival")
    assert previews(made("Model", "trial", BASE)) != previews(later)


def test_a_model_that_retrains_on_dependencies_does_so_when_a_library_has_another_version(tmp_path: Path, previews: Any) -> None:
    model = made("Model", "trial", BASE)
    heedful = changed_at(model, "Model.spec.retrainOn", ["dependencies"])
    before = [previews(one)["ModelVersion trial"]["libraries"] for one in (model, heedful)]
    assert before[0] == {}
    found = tmp_path / "scikit_learn-99.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: scikit-learn\nVersion: 99.0\n")
    trial = write_code(Trial(tmp_path / "workspace"))
    sys.path.insert(0, str(tmp_path))
    try:
        after = [recorded(trial.write([*data_objects(), *pipelines(), one]).preview())["ModelVersion trial"]["libraries"] for one in (model, heedful)]
    finally:
        sys.path.remove(str(tmp_path))
    assert after == [{}, {**before[1], "scikit-learn": "99.0"}]


FIELDS: list[FieldPath] = deferred_fields()


def first_objects() -> list[dict[str, Any]]:
    """An object for each deferred field."""
    return [first_object(number, field) for number, field in enumerate(FIELDS)]


@pytest.fixture(scope="module")
def second_plan(seen: Seen) -> tuple[Plan, dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
    """A plan in which every one of these objects has its second value; what is recorded now, and what would be."""
    now, _ = seen.trial.planned()
    port = next(one["spec"]["realtime"]["port"] for one in seen.objects if one["metadata"]["name"] == "api-other")
    changed = [changed_at(first, field.path, new_value(field, first)) for field, first in zip(FIELDS, first_objects(), strict=True)]
    then, plan = seen.trial.write([*all_objects(port, SECOND, THIRD), *changed], {"parallel": 2}).planned()
    return plan, now, then


@pytest.mark.parametrize("number", range(len(FIELDS)), ids=[field.path for field in FIELDS])
def test_a_deferred_field_is_recorded_and_the_plan_says_it_is_not_run(number: int, second_plan: Any) -> None:
    plan, now, then = second_plan
    field, first = FIELDS[number], first_objects()[number]
    (change,) = [one for one in plan.changed if one.id == f"{field.kind}/trial-{number}"]
    assert now[f"Declared trial-{number}"] != then[f"Declared trial-{number}"]
    assert change.changes
    assert all(item.path.startswith(concrete(first, field.path)) and item.old != item.new for item in change.changes)
    if isinstance(value_at(first, field.path), str | int | float):
        assert [(item.old, item.new) for item in change.changes] == [(value_at(first, field.path), new_value(field, first))]
    assert change.note.startswith("declared, not run: ")
    assert (change.action, change.effect_text) == ("update", "no retrain, no restart")


def test_deferred_kinds_and_modes_are_those_of_the_table() -> None:
    assert {row.kind for row in TABLE if row.verdict == "deferred" and row.field == ""} == set(DEFERRED_KINDS)
    assert [(row.kind, row.field, row.values) for row in TABLE if row.verdict == "deferred" and row.field] == [("Inference", "mode", ("stream",))]
    assert all(deferral(KINDS[kind].model_construct(kind=kind), "local") for kind in DEFERRED_KINDS)


@pytest.mark.parametrize("case", ENVIRONMENT_CASES, ids=lambda case: case.path)
def test_a_field_of_an_environment_changes_how_or_where_or_what_is_applied(case: EnvironmentCase, tmp_path: Path) -> None:
    observed = []
    for name, spec in (("first", case.first), ("second", case.second)):
        (tmp_path / name).mkdir()
        write_files(tmp_path / name)
        for secret in ("first", "second"):
            (tmp_path / name / f"{secret}.txt").write_text(f"{secret}\n")
        observed.append(case.seen(Trial(tmp_path / name), spec))
    assert tuple(observed) == case.expected


def test_an_environment_is_in_no_environment(tmp_path: Path) -> None:
    trial = Trial(tmp_path).write(data_objects())
    path = tmp_path / "stacks/local.yaml"
    path.write_text("environments: [local]\n" + path.read_text())
    assert [(one.line, one.message) for one in trial.diagnostics()] == [(1, "an environment has no 'environments': it is one")]


def test_an_environment_has_its_name_in_every_path(trial: Trial) -> None:
    trial.write([dataset({"source": {"type": "csv", "path": "data.csv"}})])
    (trial.root / "stacks/local.yaml").rename(trial.root / "stacks/prod.yaml")
    path = trial.root / "stacks/prod.yaml"
    path.write_text(path.read_text().replace("name: local", "name: prod"))
    workspace = open_workspace(trial.root, "prod")
    apply(workspace, make_plan(workspace, silent), silent)
    assert (trial.root / ".mlx/prod/datasets/trial").is_dir()
    assert not (trial.root / ".mlx/local").exists()
