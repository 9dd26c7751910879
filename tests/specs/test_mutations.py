"""Broken input of any kind: never an exception, and every problem has a place in a file."""

import json
from pathlib import Path

from fuzzing import problem_faults, scratch, time_limit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec_workspaces import LOCAL, workspace

from mlx_specs.diagnostics import File
from mlx_specs.validate import check
from mlx_specs.yaml_reader import read

REPOSITORY = Path(__file__).parents[2]
TEXTS = ["stacks/local.yaml", "specs/delay.yaml", "specs/flights.yaml"]
PIECES = [
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "\t",
    "'",
    '"',
    "&a ",
    "*a",
    "<<: *a",
    "!!x ",
    "${var.x}",
    "null",
    "true",
    "1e999",
    "~",
    "---\n",
    "|",
    "#",
    "%",
    "\x00",
    "é",
    "0x",
    "spec:",
    "5",
]
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.one_of(st.sampled_from(PIECES), st.text(max_size=6))), min_size=1, max_size=4)


def changed(text: str, changes: list[tuple[float, int, str]]) -> str:
    for where, cut, piece in changes:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + cut :]
    return text


SETTINGS = settings(max_examples=225, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
"""`make fuzz` runs the same two with more examples."""
LETTERS = given(which=st.sampled_from(TEXTS), changes=CHANGES)


@SETTINGS
@LETTERS
def test_changed_letters_of_the_reference_specs_never_raise(which: str, changes: list[tuple[float, int, str]]) -> None:
    letters_are_answered(which, changes)


def letters_are_answered(which: str, changes: list[tuple[float, int, str]]) -> None:
    with scratch() as folder, time_limit():
        texts = {name: (REPOSITORY / name).read_text() for name in TEXTS}
        texts[which] = changed(texts[which], changes)
        root = workspace(folder, texts["specs/delay.yaml"], texts["specs/flights.yaml"], local=texts["stacks/local.yaml"])
        loaded, problems = check(root)
        assert problem_faults(problems, root) == []
        assert (loaded.graph is None) == any(problem.severity == "error" for problem in problems)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["a", "", "delay@champion", "1d", "${var.depth}", "select"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["type", "path", "sql", "columns", "env", "key", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


ANYWHERE = given(which=st.integers(0, 40), kubernetes=st.booleans(), steps=st.lists(st.integers(0, 30), min_size=1, max_size=4), value=VALUES)


@SETTINGS
@ANYWHERE
def test_any_value_anywhere_in_the_reference_specs_never_raises(which: int, kubernetes: bool, steps: list[int], value: object) -> None:
    values_are_answered(which, kubernetes, steps, value)


def values_are_answered(which: int, kubernetes: bool, steps: list[int], value: object) -> None:
    names = (*TEXTS[1:], "tests/specs/bad/feature_store.yaml", "tests/specs/bad/cluster_pools.yaml")
    documents = [document.value for name in names for document in read(File(name, (REPOSITORY / name).read_text()))[0]]
    replace_somewhere(documents[which % len(documents)], steps, value)
    with scratch() as folder, time_limit():
        text = (REPOSITORY / "tests/specs/bad/environment_unsupported.env.yaml").read_text() if kubernetes else LOCAL
        root = workspace(folder, *(json.dumps(document) + "\n" for document in documents), local=text)
        _, problems = check(root)
        assert problem_faults(problems, root) == []
        assert all(problem.line > 0 for problem in problems)


def replace_somewhere(document: dict[str, object], steps: list[int], value: object) -> None:
    here: object = document
    for number, step in enumerate(steps):
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        if not keys:
            return
        key = keys[step % len(keys)]
        below = here[key]  # type: ignore[index]
        if number == len(steps) - 1 or not isinstance(below, dict | list):
            here[key] = value  # type: ignore[index]
            return
        here = below
