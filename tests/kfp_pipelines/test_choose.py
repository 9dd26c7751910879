"""Candidates and searches: what is measured on which rows, what wins, and what is left after a kill. Real estimators on small data."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from kfp import dsl
from sklearn.metrics import roc_auc_score

from mlx_pipelines.algorithm import make_estimator
from mlx_pipelines.choose import Choice, Option, Problem, choose, read_choice
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.leaderboard import Attempt, Leaderboard, add_attempt, ranked, read_attempts, read_leaderboard
from mlx_pipelines.process import environment
from mlx_pipelines.registry import InnerRun, Run, client, register
from mlx_pipelines.rows import feature_frame, hold_out, labels, write
from mlx_pipelines.steps.train import train
from mlx_specs.candidates import Range, Search
from mlx_specs.model import Split
from mlx_specs.resources import About, Version

from .conftest import flights

FEATURES = ["wind", "carrier", "weekday"]
PROBLEM = Problem("late", FEATURES, "classification", 3, Split(by="time"), "when")
TREE = Option("tree", "sklearn.tree.DecisionTreeClassifier", {"min_samples_leaf": 5})
LINE = Option("line", "sklearn.linear_model.LogisticRegression", {})
SEARCH = Search(parameters={"max_depth": Range(whole=[1, 6]), "criterion": Range(choice=["gini", "entropy"])}, trials=14)


def silent(line: str) -> None:
    """Nobody listens."""


def choice(*candidates: Option, search: Search | None = None, metric: str = "roc_auc") -> Choice:
    return Choice(candidates, search, TREE if search else None, metric)


def timeless(board: Leaderboard) -> Leaderboard:
    return replace(board, attempts=tuple(replace(attempt, seconds=0.0) for attempt in board.attempts))


def test_each_candidate_is_fitted_on_the_older_training_rows_and_measured_on_the_newer_ones() -> None:
    rows = flights(300)
    board = choose(rows, PROBLEM, choice(TREE, LINE), None, silent)
    older, newer = hold_out(rows, Split(by="time", test=0.2), "when", 3)
    expected = {}
    for option in (TREE, LINE):
        frame = feature_frame(older, FEATURES)
        fitted = make_estimator(option.algorithm, option.parameters, 3, "classification", frame).fit(frame, labels(older, "late", "classification"))
        expected[option.label] = roc_auc_score(labels(newer, "late", "classification"), fitted.predict_proba(feature_frame(newer, FEATURES))[:, 1])
    assert {attempt.name: attempt.value for attempt in board.attempts} == pytest.approx(expected)
    assert (board.fitted_rows, board.validation_rows, board.metric, board.higher_is_better) == (240, 60, "roc_auc", True)
    assert board.best.name == max(expected, key=lambda name: expected[name])


def test_a_metric_of_errors_is_best_where_it_is_smallest() -> None:
    options = [Option(f"alpha-{alpha:g}", "sklearn.linear_model.Ridge", {"alpha": alpha}) for alpha in (1e6, 1.0)]
    board = choose(flights(300), replace(PROBLEM, target="minutes", task="regression"), choice(*options, metric="mae"), None, silent)
    assert [attempt.name for attempt in board.attempts] == ["alpha-1", "alpha-1e+06"]
    assert not board.higher_is_better


def test_a_candidate_that_fails_is_last_with_its_reason_and_all_that_fail_stop_the_training(tmp_path: Path) -> None:
    far = Option("far", "sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 10_000})
    board = choose(flights(300), PROBLEM, choice(far, LINE), tmp_path, silent)
    assert [(attempt.name, attempt.value is None) for attempt in board.attempts] == [("line", False), ("far", True)]
    assert board.attempts[1].reason.startswith("ValueError: Expected n_neighbors <= n_samples_fit")
    with pytest.raises(PipelineError, match=r"none of 1 attempts could be fitted; far: ValueError: Expected n_neighbors"):
        choose(flights(300), PROBLEM, choice(far), None, silent)


def test_a_candidate_without_the_metric_has_failed() -> None:
    board = choose(flights(300), PROBLEM, choice(LINE, Option("svc", "sklearn.svm.LinearSVC", {})), None, silent)
    assert board.attempts[1].reason == "ValueError: roc_auc is not defined for its predictions"


def test_a_parameter_that_an_algorithm_does_not_have_stops_the_training_at_once() -> None:
    with pytest.raises(PipelineError, match=r"candidate tree: sklearn.tree.DecisionTreeClassifier has no parameter 'max_deph'") as caught:
        choose(flights(300), PROBLEM, choice(Option("tree", TREE.algorithm, {"max_deph": 3})), None, silent)
    assert caught.value.hint == "did you mean 'max_depth'?"


def test_a_search_draws_within_its_ranges_and_keeps_the_given_parameters(tmp_path: Path) -> None:
    board = choose(flights(300), PROBLEM, choice(search=SEARCH), tmp_path, silent)
    assert len(board.attempts) == 14
    assert {attempt.drawn["criterion"] for attempt in board.attempts} == {"gini", "entropy"}
    assert {attempt.drawn["max_depth"] for attempt in board.attempts} <= set(range(1, 7))
    assert all(attempt.parameters == {"min_samples_leaf": 5, **attempt.drawn} for attempt in board.attempts)
    assert read_leaderboard(tmp_path) == board


def test_the_same_seed_draws_the_same_and_another_seed_something_else() -> None:
    rows = flights(200)
    boards = [choose(rows, PROBLEM, choice(search=SEARCH.model_copy(update={"seed": seed})), None, silent) for seed in (3, None, 4)]
    drawn = [sorted((attempt.name, attempt.drawn["max_depth"]) for attempt in board.attempts) for board in boards]
    assert drawn[0] == drawn[1] != drawn[2]


def test_after_the_timeout_no_trial_is_begun(tmp_path: Path) -> None:
    add_attempt(tmp_path, Attempt("tree #1", TREE.algorithm, {}, 0.5, seconds=70.0, drawn={"max_depth": 2, "criterion": "gini"}))
    board = choose(flights(200), PROBLEM, choice(LINE, search=SEARCH.model_copy(update={"timeout": "1m"})), tmp_path, silent)
    assert (sorted(attempt.name for attempt in board.attempts), board.not_begun) == (["line", "tree #1"], 13)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.kfp_pipelines.test_choose import LINE, PROBLEM, SEARCH, choice, choose, flights

def kill_after_nine(line):
    if line.startswith("9/"):
        os.kill(os.getpid(), signal.SIGKILL)

choose(flights(200), PROBLEM, choice(LINE, search=SEARCH), Path(sys.argv[1]), kill_after_nine)
"""


def test_a_search_that_was_killed_goes_on_after_its_last_trial_and_finds_what_it_would_have_found(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(root)], env=environment(tmp_path), capture_output=True, text=True)
    assert (killed.returncode, len(read_attempts(tmp_path))) == (-9, 9), killed.stderr
    with (tmp_path / "attempts.jsonl").open("a") as file:
        file.write('{"name": "tree #9", "algo')  # what a kill in the middle of a write leaves
    lines: list[str] = []
    board = choose(flights(200), PROBLEM, choice(LINE, search=SEARCH), tmp_path, lines.append)
    assert lines[0] == "9 of 15 are known from before the interruption"
    assert timeless(board) == timeless(choose(flights(200), PROBLEM, choice(LINE, search=SEARCH), None, silent))
    assert len((tmp_path / "attempts.jsonl").read_text().splitlines()) == 16


def test_the_step_fits_the_best_on_all_training_rows(tmp_path: Path) -> None:
    write(flights(300), tmp_path / "rows")
    estimator = dsl.Model(uri=str(tmp_path / "model"))
    candidates = [{"name": each.label, "algorithm": each.algorithm, "parameters": dict(each.parameters)} for each in (TREE, LINE)]
    train.python_func(
        rows=dsl.Dataset(uri=str(tmp_path / "rows")), target="late", features=json.dumps(FEATURES), task="classification", algorithm="", parameters="{}",
        seed=3, estimator=estimator, candidates=json.dumps(candidates), success='[{"metric": "roc_auc", "atLeast": 0.5}]', split='{"by": "time"}',
        event_time="when", run_folder=str(tmp_path / "run"),
    )  # fmt: skip
    assert estimator.metadata == {"algorithm": TREE.algorithm, "rows": 300}
    frame = feature_frame(flights(300), FEATURES)
    by_hand = make_estimator(TREE.algorithm, TREE.parameters, 3, "classification", frame).fit(frame, labels(flights(300), "late", "classification"))
    fitted = pickle.loads(Path(estimator.path).read_bytes())
    assert fitted.predict_proba(frame).tolist() == by_hand.predict_proba(frame).tolist()


def test_one_algorithm_with_its_parameters_is_no_choice() -> None:
    assert read_choice("sklearn.linear_model.Ridge", {"alpha": 1.0}, [], {}, "mae") is None


def test_equal_values_keep_the_order_in_which_they_were_tried() -> None:
    made = [Attempt(name, "a:b", {}, value, 0.0) for name, value in (("first", 0.5), ("failed", None), ("second", 0.5), ("best", 0.6))]
    assert [attempt.name for attempt in ranked(made, higher_is_better=True)] == ["best", "first", "second", "failed"]
    assert [attempt.name for attempt in ranked(made, higher_is_better=False)] == ["first", "second", "best", "failed"]


def test_each_epoch_is_a_point_of_a_curve_in_mlflow_however_many_there_are(tmp_path: Path) -> None:
    epochs = [{"epoch": float(epoch), "loss": 1.0 / epoch, "validation_loss": 2.0 / epoch} for epoch in range(1, 501)]
    version = Version(fingerprint="e" * 64, artifact=".mlx/local/models/m/e", artifact_digest="d" * 64)
    made = register(tmp_path, ".mlx/local", "m", version, Run({}, {"accuracy": 0.8}, {}, {}, (), epochs), {}, About())
    curve = client(tmp_path, ".mlx/local").get_metric_history(made.run_id, "loss")
    assert sorted((point.step, point.value) for point in curve) == [(epoch, 1.0 / epoch) for epoch in range(1, 501)]


def test_what_was_tried_is_a_run_below_the_versions_run_and_repeating_it_adds_none(tmp_path: Path) -> None:
    inner = (
        InnerRun("line", {"algorithm": "a.line"}, {"validation_roc_auc": 0.9, "seconds": 1.0}, {"mlx.rank": "1"}),
        InnerRun("tree", {"algorithm": "a.tree"}, {}, {"mlx.rank": "2", "mlx.failed": "ValueError: no"}, failed=True),
    )
    version = Version(fingerprint="f" * 64, artifact=".mlx/local/models/m/f", artifact_digest="d" * 64)
    made = register(tmp_path, ".mlx/local", "m", version, Run({}, {"roc_auc": 0.8}, {}, {}, inner), {}, About())
    mlflow = client(tmp_path, ".mlx/local")
    mlflow.delete_model_version("m", made.version)  # a kill between the run and the version leaves the runs alone
    again = register(tmp_path, ".mlx/local", "m", version, Run({}, {"roc_auc": 0.8}, {}, {}, inner), {}, About())
    experiment = mlflow.get_experiment_by_name("m")
    assert experiment is not None
    runs = mlflow.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{again.run_id}'", order_by=["tags.`mlx.rank`"])
    assert again.run_id == made.run_id
    assert [(run.info.run_name, run.info.status, run.data.params, run.data.metrics) for run in runs] == [
        ("line", "FINISHED", {"algorithm": "a.line"}, {"validation_roc_auc": 0.9, "seconds": 1.0}),
        ("tree", "FAILED", {"algorithm": "a.tree"}, {}),
    ]
