"""Loading a workspace: which files are read, which environment is meant, in which order objects stand."""

from pathlib import Path

from spec_workspaces import DATASET, LOCAL, MODEL, PIPELINE, environment, workspace

from mlx_specs.base import plain
from mlx_specs.diagnostics import File, Place, diagnostic, nearest, ordered, render
from mlx_specs.load import load
from mlx_specs.validate import check, validate

REPOSITORY = Path(__file__).parents[2]


def test_the_reference_workspace_has_no_problems() -> None:
    loaded, problems = check(REPOSITORY, "local")
    assert [render(problem) for problem in problems] == []
    assert loaded.graph is not None
    order = [node.id for node in loaded.graph.objects]
    assert all(order.index(reference) < order.index(node.id) for node in loaded.graph.objects for reference in node.references)
    assert set(loaded.graph.get("Model/delay-checkin").references) == {"Dataset/flight-delays", "FeatureStore/flights", "Pipeline/tabular"}  # type: ignore[union-attr]


def test_objects_stand_in_dependency_order_whatever_the_order_in_files(tmp_path: Path) -> None:
    forwards = load(workspace(tmp_path / "a", DATASET, PIPELINE, MODEL)).graph
    backwards = load(workspace(tmp_path / "b", MODEL, PIPELINE, DATASET)).graph
    assert forwards is not None
    assert backwards is not None
    expected = ["Dataset/flights", "Pipeline/tabular", "Model/delay"]
    assert [node.id for node in forwards.objects] == [node.id for node in backwards.objects] == expected


def test_the_graph_answers_for_ids_references_dependents_and_places(tmp_path: Path) -> None:
    graph = load(workspace(tmp_path, DATASET, PIPELINE, MODEL)).graph
    assert graph is not None
    model = graph.get("Model/delay")
    assert model is not None
    assert model.references == ("Dataset/flights", "Pipeline/tabular")
    assert str(model.place) == "specs/specs.yaml:19:1"
    assert [node.id for node in graph.dependents("Dataset/flights")] == ["Model/delay"]
    assert graph.get("Model/other") is None
    assert graph.dependents("Model/delay") == ()


def test_objects_with_errors_leave_no_graph_and_do_not_make_references_to_them_dangle(tmp_path: Path) -> None:
    loaded, problems = check(workspace(tmp_path, DATASET.replace("keys:", "kees:"), PIPELINE, MODEL))
    assert loaded.graph is None
    assert [problem.message for problem in problems] == ["unknown field 'kees', did you mean 'keys'?"]


def test_packages_schemas_hidden_files_and_locks_are_no_specs(tmp_path: Path) -> None:
    root = workspace(tmp_path, PIPELINE)
    for name in ("package/__init__.py", "package/broken.yaml", "schema/broken.yaml", ".hidden/broken.yaml", ".broken.yaml", "notes.txt"):
        (root / "specs" / name).parent.mkdir(exist_ok=True)
        (root / "specs" / name).write_text("]")
    (root / "stacks/local.lock.yaml").write_text("]")
    assert validate(root) == []


def test_specs_are_found_in_folders_below(tmp_path: Path) -> None:
    root = workspace(tmp_path, PIPELINE)
    (root / "specs/team/data").mkdir(parents=True)
    (root / "specs/team/data/flights.yml").write_text(DATASET)
    graph = load(root).graph
    assert graph is not None
    assert [node.id for node in graph.objects] == ["Dataset/flights", "Pipeline/tabular"]


def test_the_only_environment_is_the_default_and_then_the_one_named_local(tmp_path: Path) -> None:
    only = load(workspace(tmp_path / "one", PIPELINE, prod=environment("prod")))
    named = load(workspace(tmp_path / "two", PIPELINE, prod=environment("prod"), local=LOCAL))
    assert only.environment.metadata.name == "prod"
    assert named.environment.metadata.name == "local"


def test_an_environment_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    root = workspace(tmp_path, PIPELINE, prod=environment("prod"), staging=environment("staging"))
    assert [render(each) for each in validate(root, "stagin")] == [
        "stacks: error: unknown environment 'stagin', did you mean 'staging'?\n    = there are prod, staging"
    ]
    assert [render(each) for each in validate(root)] == [
        "stacks: error: several environments, and none is named local\n    = name one with --env: prod, staging"
    ]


def test_a_workspace_without_environments_says_what_to_write(tmp_path: Path) -> None:
    assert [render(each) for each in validate(tmp_path)] == ["stacks: error: no environment found\n    = write one: stacks/local.yaml with kind: Environment"]


def test_environments_stand_in_a_file_of_their_name_and_specs_do_not_stand_among_them(tmp_path: Path) -> None:
    root = workspace(tmp_path, DATASET, local=LOCAL, prod=environment("production"), other=PIPELINE)
    assert [str(Place(File(each.file), each.line, each.column)) + " " + each.message for each in validate(root, "local")] == [
        "stacks/other.yaml:2:7 a Pipeline does not belong in stacks/",
        "stacks/prod.yaml:3:18 environment 'production' stands in a file of another name",
    ]


def test_an_object_exists_only_where_it_says(tmp_path: Path) -> None:
    here = PIPELINE.replace("spec:", "environments: [local]\nspec:")
    there = PIPELINE.replace("spec:", "environments: [prod]\nspec:").replace("steps:pipeline", "other:pipeline")
    root = workspace(tmp_path, here, there, local=LOCAL, prod=environment("prod"))
    entries = [load(root, name).graph.get("Pipeline/tabular").object.spec.entry for name in ("local", "prod")]  # type: ignore[union-attr]
    assert entries == ["steps:pipeline", "other:pipeline"]


def test_files_that_are_no_utf8_or_too_large_get_one_clear_sentence(tmp_path: Path) -> None:
    root = workspace(tmp_path, PIPELINE)
    (root / "specs/latin.yaml").write_bytes("# ok\nname: é".encode("latin-1"))
    with (root / "specs/large.yaml").open("wb") as file:
        file.truncate(50_000_000)
    assert [(each.file, each.message) for each in validate(root)] == [
        ("specs/large.yaml", "the file is larger than 10 MB"),
        ("specs/latin.yaml", "the file is not UTF-8: byte 0xe9 on line 2"),
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    root = workspace(tmp_path, PIPELINE)
    (root / "specs/windows.yaml").write_bytes(b"\xef\xbb\xbf" + DATASET.replace("\n", "\r\n").encode())
    assert validate(root) == []


def test_words_of_yaml_1_1_are_text_and_numbers_are_numbers(tmp_path: Path) -> None:
    values = "{a: on, b: no, c: 1e-3, d: 2013-10-01, e: 1_000, f: 0x10, g: 010, h: true, i: ~, j: '7'}"
    graph = load(workspace(tmp_path, PIPELINE.replace("{keep: [1, 2], drop: x}", values))).graph
    assert graph is not None
    assert graph.objects[0].object.spec.arguments == {  # type: ignore[union-attr]
        "a": "on", "b": "no", "c": 0.001, "d": "2013-10-01", "e": "1_000", "f": 16, "g": 10, "h": True, "i": None, "j": "7",
    }  # fmt: skip


def test_anchors_aliases_and_merge_keys_work(tmp_path: Path) -> None:
    text = "a: &common {x: 1, y: 2}\nb: {<<: *common, y: 3}\nc: {<<: [{z: 1}, *common]}\n"
    arguments = PIPELINE.replace("arguments: {keep: [1, 2], drop: x}}", "arguments:\n      ").replace(
        "{entry: 'steps:pipeline', ", "\n  entry: steps:pipeline\n  "
    )
    arguments = arguments.rstrip() + "\n" + "".join(f"      {line}\n" for line in text.splitlines())
    loaded = load(workspace(tmp_path, arguments))
    assert loaded.graph is not None
    assert loaded.graph.objects[0].object.spec.arguments == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"z": 1, "x": 1, "y": 2}}  # type: ignore[union-attr]


def test_python_and_yaml_give_the_same_objects(tmp_path: Path) -> None:
    from_yaml = load(workspace(tmp_path / "yaml", DATASET, PIPELINE, MODEL)).graph
    root = workspace(tmp_path / "python", DATASET)
    (root / "specs/names.py").write_text("PIPELINE = 'tabular'\n")
    (root / "specs/model.py").write_text(
        """from mlx_specs.base import Metadata
from mlx_specs.model import Model, ModelSpec
from mlx_specs.pipeline import Pipeline, PipelineSpec
from names import PIPELINE

objects = [
    Pipeline(metadata=Metadata(name=PIPELINE), spec=PipelineSpec(entry="steps:pipeline", arguments={"keep": [1, 2], "drop": "x"})),
]
model = Model(
    metadata=Metadata(name="delay"),
    spec=ModelSpec(
        task="classification", pipeline=PIPELINE, data="flights", target="late", features=["carrier"],
        algorithm="sklearn.tree.DecisionTreeClassifier",
        parameters={"max_depth": "${var.depth}", "note": "${var.name} of ${var.depth}, ${var.deep}, $${var.depth}"},
    ),
)
"""
    )
    from_python = load(root).graph
    assert from_yaml is not None
    assert from_python is not None
    assert [plain(node.object) for node in from_python.objects] == [plain(node.object) for node in from_yaml.objects]
    assert str(from_python.objects[-1].place) == "specs/model.py:9:1"


def test_diagnostics_are_sorted_once_each_and_json_able() -> None:
    file = File("specs/a.yaml", "one\ntwo password: hunter2\n")
    second, first = diagnostic(Place(file, 2, 1), "code", "second", "do this"), diagnostic(Place(file, 1, 3), "code", "first")
    assert ordered([second, first, second]) == [first, second]
    assert second.as_json() == {
        "severity": "error", "message": "second", "hint": "do this", "file": "specs/a.yaml",
        "line": 2, "column": 1, "source_line": "two password: ***", "code": "code",
    }  # fmt: skip


def test_long_lines_are_shown_around_the_column() -> None:
    line = "x" * 5000 + "HERE" + "y" * 5000
    shown = render(diagnostic(Place(File("a.yaml", "\t" + line[4950:]), 1, 52), "code", "wrong")).splitlines()
    assert shown[1].strip().startswith("x")
    assert shown[1][shown[2].index("^") :].startswith("HERE")


def test_the_nearest_name_ignores_case_and_underscores() -> None:
    assert nearest("max_deph", ["max_depth", "max_iter"]) == "max_depth"
    assert nearest("predict_at", ["predictAt", "predict"]) == "predictAt"
    assert nearest("zebra", ["max_depth"]) is None
