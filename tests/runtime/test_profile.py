"""A profile of prepared rows: every figure held against one that was counted by hand, numpy or scipy's formula."""

import csv
from pathlib import Path

import numpy
import pytest

from mlx_runtime.prepare.dataset import prepare
from mlx_runtime.profile import Bin, Coverage, Profile, ProfileError, Reason, Value, profile
from mlx_specs.dataset_resources import PreparedDatasetInputs

ROWS = 200
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("profile")
    with (root / "rows.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "x", "y", "kind", "other", "day", "bad"])
        for index in range(ROWS):
            x = "" if index % 10 == 0 else str(index / 4)
            kind = HOSTILE if index % 4 == 0 else "b"
            day = f"2013-01-{1 + index % 20 + (5 if index % 20 >= 10 else 0):02d}"
            rows.writerow([index - index % 100 // 99, x, -2 * index, kind, "same" if kind == "b" else "not", day, index % 50 == 0])
    definition = {
        "source": {"type": "csv", "path": "rows.csv"},
        "keys": ["id"],
        "eventTime": "day",
        "columns": {
            "id": {"type": "integer"}, "x": {"type": "float"}, "y": {"type": "integer"}, "kind": {"type": "string"}, "other": {"type": "string"},
            "day": {"type": "timestamp"}, "bad": {"type": "boolean"},
        },
        "prepare": [{"reject": {"where": "bad", "reason": "is bad"}}],
        "checks": [{"type": "range", "columns": ["y"], "min": -100, "severity": "warn"}],
    }  # fmt: skip
    made = prepare(PreparedDatasetInputs(name="rows", home=".mlx/local", definition=definition), root, lambda _line: None)
    return (root / made.path).parent


@pytest.fixture(scope="module")
def found(folder: Path) -> Profile:
    return profile(folder)


def kept() -> list[int]:
    return [index for index in range(ROWS) if index % 50]


def test_numbers_have_the_figures_that_numpy_has(found: Profile) -> None:
    x = next(one for one in found.columns if one.name == "x")
    values = numpy.array([index / 4 for index in kept() if index % 10])
    assert (x.missing, x.distinct, sum(bin.rows for bin in x.histogram)) == (len(kept()) - len(values), len(values), len(values))
    wanted = {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std(ddof=1), "q0.5": numpy.quantile(values, 0.5)}
    assert {name: x.figures[name] for name in wanted} == pytest.approx(wanted)


def test_whole_numbers_fall_into_bins_of_whole_numbers(found: Profile) -> None:
    y = next(one for one in found.columns if one.name == "y")
    assert y.histogram[0] == Bin(-398, -389, 5)
    assert sum(bin.rows for bin in y.histogram) == len(kept())


def test_texts_have_their_commonest_values(found: Profile) -> None:
    kind = next(one for one in found.columns if one.name == "kind")
    hostile = sum(index % 4 == 0 for index in kept())
    assert kind.top == (Value("b", len(kept()) - hostile), Value(HOSTILE, hostile))


def test_what_goes_together_is_found(found: Profile) -> None:
    strongest = found.correlations[0]
    assert ({strongest.one, strongest.other}, strongest.value) in (({"x", "y"}, pytest.approx(-1.0)), ({"id", "y"}, pytest.approx(-1.0, abs=1e-3)))
    same = next(pair for pair in found.associations if {pair.one, pair.other} == {"kind", "other"})
    assert same.value == pytest.approx(1.0)


def test_doubled_keys_gaps_in_time_and_rejected_rows_are_told(found: Profile) -> None:
    assert found.duplicates == 4
    assert found.coverage == Coverage("day", "2013-01-01", "2013-01-25", 25, 5, 5)
    assert (found.rejected, found.reasons) == (4, (Reason(1, "is bad", 4),))
    assert {row["_reason"] for row in found.rejected_sample} == {"is bad"}
    assert [(one.name, one.passed) for one in found.checks] == [("range of y", False)]


def test_of_many_rows_a_sample_is_counted_and_the_profile_says_so(folder: Path, found: Profile) -> None:
    sampled = profile(folder, most=50)
    assert (sampled.rows, sampled.sampled, found.sampled) == (len(kept()), 50, len(kept()))
    assert [one.missing for one in sampled.columns] == [one.missing for one in found.columns]
    assert sampled == profile(folder, most=50)


def test_a_folder_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="no prepared rows in"):
        profile(tmp_path)
