"""Packaging compiles where the compiled model predicts the same, and says why where it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from made_flights import NUMBERS, TEXTS, Packaged, boosting, flights, forest, late, logistic, one_hot, ordinal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mlx_runtime.columns import frame_of, to_columns, to_frame
from mlx_runtime.engines.native import native_outputs
from mlx_runtime.engines.onnx import load_onnx
from mlx_runtime.package import PackageError, package
from mlx_runtime.packaging.convert import to_onnx
from mlx_runtime.packaging.parity import compare
from mlx_runtime.packaging.probes import make_probes
from mlx_runtime.scorer import ScoreError, Scorer, load
from mlx_specs.artifact import ModelFile

Pack = Callable[..., Packaged]
SCALED = (SimpleImputer(), StandardScaler())


def words(data: pyarrow.Table) -> np.ndarray:
    """Three classes with names."""
    hours = data["hour"].to_numpy()
    return np.where(hours < 10, "early", np.where(late(data), "late", "on time"))


def minutes(data: pyarrow.Table) -> np.ndarray:
    return data["hour"].to_numpy() * 10.0 + 30 * late(data)


def impute_texts() -> ColumnTransformer:
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return ColumnTransformer([("numbers", make_pipeline(*SCALED), NUMBERS), ("texts", texts, TEXTS)])


def rare_together() -> ColumnTransformer:
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=150)
    return ColumnTransformer([("numbers", make_pipeline(*SCALED), NUMBERS), ("texts", encoder, TEXTS)])


def missing_is_a_code() -> ColumnTransformer:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    return ColumnTransformer([("numbers", "passthrough", NUMBERS), ("texts", encoder, TEXTS)])


COMPILED: dict[str, tuple[Callable[[], Any], Callable[..., np.ndarray], str, str]] = {
    "histogram boosting with gaps and strings": (boosting, late, "classification", "float64"),
    "histogram boosting, missing strings as NaN": (
        lambda: make_pipeline(missing_is_a_code(), HistGradientBoostingClassifier(max_iter=10)), words, "classification", "float64",
    ),
    "histogram boosting, regression": (
        lambda: make_pipeline(ordinal(), HistGradientBoostingRegressor(max_iter=10)), minutes, "regression", "float64",
    ),
    "histogram boosting, Poisson": (
        lambda: make_pipeline(ordinal(), HistGradientBoostingRegressor(max_iter=10, loss="poisson")), minutes, "regression", "float64",
    ),
    "forest behind a scaler": (forest, words, "classification", "float64"),
    "forest, regression": (
        lambda: make_pipeline(one_hot(SimpleImputer()), RandomForestRegressor(8, random_state=0)), minutes, "regression", "float32",
    ),
    "gradient boosting": (
        lambda: make_pipeline(one_hot(SimpleImputer()), GradientBoostingClassifier(n_estimators=8)), late, "classification", "float32",
    ),
    "logistic regression": (logistic, late, "classification", "float32"),
    "logistic regression, several classes, imputed strings": (
        lambda: make_pipeline(impute_texts(), LogisticRegression(max_iter=300)), words, "classification", "float32",
    ),
    "ridge": (lambda: make_pipeline(one_hot(make_pipeline(*SCALED)), Ridge()), minutes, "regression", "float32"),
    "polynomials of scaled numbers": (
        lambda: make_pipeline(one_hot(make_pipeline(*SCALED, PolynomialFeatures(2))), LogisticRegression(max_iter=500)), late, "classification", "float32",
    ),
    "principal components, a robust scale": (
        lambda: make_pipeline(one_hot(make_pipeline(SimpleImputer(), RobustScaler(), PCA(2))), LogisticRegression()), late, "classification", "float32",
    ),
    "bins, chosen columns": (
        lambda: make_pipeline(one_hot(make_pipeline(SimpleImputer(), KBinsDiscretizer(4, encode="onehot-dense"))), SelectKBest(k=4), LogisticRegression()),
        late, "classification", "float32",
    ),
    "logarithms": (
        lambda: make_pipeline(one_hot(make_pipeline(SimpleImputer(), FunctionTransformer(np.log1p), StandardScaler())), LogisticRegression()),
        late, "classification", "float64",
    ),
    "gaps as columns of their own": (
        lambda: make_pipeline(one_hot(make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())), LogisticRegression()),
        late, "classification", "float32",
    ),
    "rare categories together": (lambda: make_pipeline(rare_together(), LogisticRegression()), late, "classification", "float32"),
    "means of the target": (
        lambda: make_pipeline(ColumnTransformer([("numbers", make_pipeline(*SCALED), NUMBERS), ("texts", TargetEncoder(), TEXTS)]), LogisticRegression()),
        late, "classification", "float32",
    ),
    "extra trees": (lambda: make_pipeline(one_hot(SimpleImputer()), ExtraTreesClassifier(8, random_state=0)), words, "classification", "float32"),
    "stacking": (
        lambda: make_pipeline(
            one_hot(make_pipeline(*SCALED)), StackingClassifier([("line", LogisticRegression()), ("tree", DecisionTreeClassifier(max_depth=3, random_state=0))])
        ),
        late, "classification", "float32",
    ),
    "calibrated support vectors": (
        lambda: make_pipeline(one_hot(make_pipeline(*SCALED)), CalibratedClassifierCV(LinearSVC(), cv=3)), late, "classification", "float32",
    ),
    "a small network": (
        lambda: make_pipeline(one_hot(make_pipeline(*SCALED)), MLPClassifier((8,), max_iter=60, random_state=0)), late, "classification", "float32",
    ),
    "support vectors, regression": (lambda: make_pipeline(one_hot(make_pipeline(*SCALED)), SVR()), minutes, "regression", "float32"),
    "poisson regression": (lambda: make_pipeline(one_hot(make_pipeline(*SCALED)), PoissonRegressor()), minutes, "regression", "float32"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_model_predicts_what_the_original_does(pack: Pack, name: str) -> None:
    make, label, task, precision = COMPILED[name]
    data = flights()
    packed = pack(name.replace(" ", "-"), make(), data, label(data), task)
    scorer = load(packed.folder, packed.digest)
    assert (scorer.model.engine, scorer.model.reason) == ("onnx", "")
    parity = scorer.model.parity
    assert (parity["labels_differ"], parity["precision"]) == (0, precision)
    assert parity["max_difference"] <= 1e-5
    assert_same(scorer, packed, flights(seed=5))


def assert_same(scorer: Scorer, packed: Packaged, unseen: pyarrow.Table) -> None:
    """On rows that packaging never saw."""
    predicted, frame = scorer.score_table(unseen), to_frame(unseen)
    if scorer.model.task == "regression":
        np.testing.assert_allclose(predicted["prediction"].to_numpy(), packed.estimator.predict(frame), rtol=1e-5)
        return
    assert predicted["label"].to_pylist() == packed.estimator.predict(frame).tolist()
    shares = np.column_stack([predicted.column(place).to_numpy() for place in range(1, predicted.num_columns)])
    np.testing.assert_allclose(shares, packed.estimator.predict_proba(frame), atol=1e-5)


REMARKS = ["Delayed by FOG", "on time", "engine check", "snow at EWR", "late crew, again", "fog; fog", "Déjà VU", "gate 12 change", "a B-c"]


def remarked(rows: int = 600, seed: int = 0) -> pyarrow.Table:
    """Flights with a text of three remarks each."""
    random = np.random.default_rng(seed)
    return flights(rows, seed).append_column("remark", pyarrow.array([" ".join(random.choice(REMARKS, 3)) for _ in range(rows)]))


def reads_remarks(vectoriser: Any, *numbers: Any) -> ColumnTransformer:
    return ColumnTransformer([("remark", vectoriser, "remark"), *numbers])


TEXTUAL: dict[str, Callable[[], Any]] = {
    "weighted words": lambda: make_pipeline(reads_remarks(TfidfVectorizer()), LogisticRegression()),
    "pairs of words": lambda: make_pipeline(reads_remarks(TfidfVectorizer(ngram_range=(1, 2))), LogisticRegression()),
    "counted words beside numbers": lambda: make_pipeline(
        reads_remarks(CountVectorizer(stop_words="english"), ("numbers", make_pipeline(*SCALED), NUMBERS)), LogisticRegression(max_iter=300)
    ),
    "counted words, naive Bayes": lambda: make_pipeline(reads_remarks(CountVectorizer(lowercase=False)), MultinomialNB()),
    "topics": lambda: make_pipeline(reads_remarks(make_pipeline(TfidfVectorizer(), TruncatedSVD(3, random_state=0))), LogisticRegression()),
}


@pytest.mark.parametrize("name", TEXTUAL)
def test_a_compiled_model_of_texts_reads_words_of_every_script_as_the_original_does(pack: Pack, name: str) -> None:
    data = remarked()
    packed = pack(name.replace(" ", "-"), TEXTUAL[name](), data, late(data))
    scorer = load(packed.folder, packed.digest)
    assert (scorer.model.engine, scorer.model.reason, scorer.model.parity["labels_differ"]) == ("onnx", "", 0)
    assert_same(scorer, packed, remarked(seed=5))
    strange = remarked(4, seed=6).set_column(5, "remark", [["ENGINE Ω 東京 fog", "ÉTÉ déjà  vu", "fog-fog_fog x", ""]])
    assert_same(scorer, packed, strange)


def test_a_text_that_is_read_with_and_without_its_case_does_not_convert(pack: Pack) -> None:
    data = remarked()
    twice = reads_remarks(TfidfVectorizer(), ("whole", OneHotEncoder(handle_unknown="ignore"), ["remark"]))
    packed = pack("twice", make_pipeline(twice, LogisticRegression()), data, late(data))
    model = load(packed.folder, packed.digest).model
    assert (model.engine, model.reason) == ("native", "ONNX does not predict the same (column 'remark' is read in lower case and as it is)")


def test_hashed_words_keep_their_own_format_with_the_reason(pack: Pack) -> None:
    data = remarked()
    packed = pack("hashed", make_pipeline(reads_remarks(HashingVectorizer(n_features=64)), LogisticRegression()), data, late(data))
    model = load(packed.folder, packed.digest).model
    assert model.engine == "native"
    assert "HashingVectorizer" in model.reason


def test_infinity_is_refused_where_the_estimator_refuses_it_and_compared_where_it_does_not(models: Callable[[str], Packaged]) -> None:
    takes, refuses = (load(packed.folder, packed.digest) for packed in (models("boosting"), models("logistic")))
    assert {tensor.name: tensor.finite for tensor in takes.model.inputs if tensor.datatype == "FP64"} == {"distance": False}
    infinite = flights(3).set_column(0, "distance", [[1.0, float("inf"), float("-inf")]])
    assert takes.score_table(infinite)["label"].to_pylist() == models("boosting").estimator.predict(to_frame(infinite)).tolist()
    with pytest.raises(ScoreError, match=r"column 'distance' may not be infinite \(row 1\)") as caught:
        refuses.score_table(infinite)
    assert caught.value.rows == (1, 2)


def test_every_threshold_is_surrounded_and_counted(models: Callable[[str], Packaged]) -> None:
    packed = models("boosting")
    parity = load(packed.folder, packed.digest).model.parity
    trees = packed.estimator[-1]._predictors
    numbers = len(NUMBERS)
    inner = [tree.nodes[tree.nodes["is_leaf"] == 0] for (tree,) in trees]
    thresholds = {(int(node["feature_idx"]), float(node["num_threshold"])) for nodes in inner for node in nodes if node["feature_idx"] < numbers}
    assert parity["thresholds"] == parity["thresholds_total"] == len(thresholds)
    assert parity["probes"] > 2 * len(thresholds)
    assert parity["rows"] == 600 + parity["probes"]


def test_float32_trees_are_refused_by_rows_beside_a_threshold_that_held_out_rows_miss(tmp_path: Path, models: Callable[[str], Packaged]) -> None:
    """Why the probes exist: on the held-out rows alone the float32 graph agrees."""
    data = flights().select(["distance", "hour"])
    estimator = HistGradientBoostingClassifier(max_iter=15, random_state=0).fit(to_frame(data), late(flights()))
    model = load(models("boosting").folder, models("boosting").digest).model
    inputs = [tensor for tensor in model.inputs if tensor.name in data.column_names]
    (tmp_path / model.engine_file).write_bytes(to_onnx(estimator, inputs, to_frame(data.slice(0, 2)), "float32"))
    engine, names = load_onnx(tmp_path, model, 1), [tensor.name for tensor in model.outputs]
    unseen = flights(seed=5).select(data.column_names)
    probes = make_probes(estimator, to_columns(unseen), inputs).rows
    held_out = compare(native_outputs(estimator, to_frame(unseen), names), engine.predict(to_columns(unseen)))
    probed = compare(native_outputs(estimator, frame_of(probes), names), engine.predict(probes))
    assert held_out.holds
    assert not probed.holds


def test_an_estimator_that_does_not_convert_keeps_its_own_format_with_the_reason(pack: Pack) -> None:
    data = flights()
    estimator = make_pipeline(ordinal(), HistGradientBoostingClassifier(max_iter=5, categorical_features=[len(NUMBERS)]))
    packed = pack("categorical", estimator, data, late(data))
    scorer = load(packed.folder, packed.digest)
    assert (scorer.model.engine, scorer.model.engine_file) == ("native", "model.pkl")
    assert scorer.model.reason == (
        "ONNX does not predict the same (histogram boosting with categorical splits (categorical_features)); a pickle because it holds functools.partial"
    )
    assert_same(scorer, packed, flights(seed=5))


def test_a_model_whose_compiled_form_predicts_otherwise_keeps_its_own_format(pack: Pack) -> None:
    """Of neighbours at equal distance ONNX takes others than scikit-learn."""
    data = flights().select(["hour", "refundable"])
    packed = pack("neighbours", make_pipeline(StandardScaler(), KNeighborsClassifier()), data, late(flights()))
    model = load(packed.folder, packed.digest).model
    assert (model.engine, model.engine_file) == ("native", "model.skops")
    assert " labels differ, the largest difference is " in model.reason
    assert_same(load(packed.folder, packed.digest), packed, flights(seed=5).select(["hour", "refundable"]))


def test_onnx_or_fail_fails_with_the_reason(pack: Pack) -> None:
    data = flights()
    estimator = make_pipeline(one_hot(make_pipeline(*SCALED)), LinearSVC())
    with pytest.raises(PackageError, match="model 'delay' does not package as ONNX: ") as caught:
        pack("svc-onnx", estimator, data, late(data), format="onnx")
    assert caught.value.hint == "package: auto takes scikit-learn's own format where ONNX does not agree"


def test_native_on_request_is_a_safe_format_where_it_knows_all_types(pack: Pack) -> None:
    data = flights()
    packed = pack("native", forest(), data, late(data), format="native")
    scorer = load(packed.folder, packed.digest)
    assert (scorer.model.engine, scorer.model.engine_file, scorer.model.reason) == ("native", "model.skops", "package: native")
    assert [tensor.datatype for tensor in scorer.model.outputs] == ["BOOL", "FP64", "FP64"]
    assert_same(scorer, packed, flights(seed=5))


def test_a_classifier_without_probabilities_gives_labels_only(pack: Pack) -> None:
    data = flights()
    packed = pack("svc", make_pipeline(one_hot(make_pipeline(*SCALED)), LinearSVC()), data, late(data))
    scorer = load(packed.folder, packed.digest)
    assert scorer.score_table(data).column_names == ["label"]
    assert scorer.score_table(data)["label"].to_pylist() == packed.estimator.predict(to_frame(data)).tolist()


def test_the_signature_is_what_the_estimator_takes(pack: Pack) -> None:
    data = flights().drop(["distance", "booked"])
    strict = ColumnTransformer([("numbers", "passthrough", ["hour", "refundable"]), ("texts", OneHotEncoder(), TEXTS)], sparse_threshold=0.0)
    packed = pack("strict", make_pipeline(strict, GaussianNB()), data, late(data))
    model = load(packed.folder, packed.digest).model
    found = [(tensor.name, tensor.type, tensor.datatype, tensor.nullable, tensor.categories) for tensor in model.inputs]
    assert found == [
        ("hour", "integer", "INT64", False, None),
        ("refundable", "boolean", "BOOL", False, None),
        ("carrier", "string", "BYTES", True, ["AA", "B6", "UA"]),
    ]


def test_model_json_describes_the_model(models: Callable[[str], Packaged]) -> None:
    packed = models("boosting")
    model = load(packed.folder, packed.digest).model
    rows = [0, packed.labels.tolist().index(not packed.labels[0])]
    example = packed.data.take(rows)
    assert model == ModelFile(
        model="delay", fingerprint="boosting", task="classification", target="late", inputs=model.inputs, outputs=model.outputs, classes=[False, True],
        engine="onnx", engine_file="model.onnx", parity=model.parity, metrics={"accuracy": 0.5},
        example={
            **{name: example[name].to_pylist() for name in ("distance", "hour", "refundable", "carrier")},
            "booked": [value.isoformat() for value in example["booked"].to_pylist()],
        },
    )  # fmt: skip
    assert [tensor.name for tensor in model.outputs] == ["label", "probability_false", "probability_true"]


def test_packaging_again_gives_the_same_digest(models: Callable[[str], Packaged], pack: Pack) -> None:
    data = flights()
    first = pack("again", boosting(), data, late(data))
    second = pack("again", boosting(), data, late(data))
    assert first.digest == second.digest


def test_each_held_out_row_needs_a_label(tmp_path: Path, models: Callable[[str], Packaged]) -> None:
    packed = models("boosting")
    with pytest.raises(PackageError, match="2 labels for 600 held-out rows: each row needs its label"):
        package(
            estimator=packed.estimator, data=packed.data, labels=[True, False], model="m", fingerprint="f", task="classification", target="y",
            format="auto", folder=tmp_path / "a", metrics={},
        )  # fmt: skip
