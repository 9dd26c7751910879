"""Variables, overrides and the resolved print."""

from collections.abc import Callable
from pathlib import Path

from spec_workspaces import DATASET, LOCAL, MODEL, PIPELINE, environment, workspace

from mlx_specs.base import plain
from mlx_specs.diagnostics import File, render
from mlx_specs.load import Loaded, load
from mlx_specs.overrides import override
from mlx_specs.resolve import resolved, resolved_json
from mlx_specs.validate import validate
from mlx_specs.yaml_reader import read

REPOSITORY = Path(__file__).parents[2]


def spec_of(loaded: Loaded, id: str) -> dict[str, object]:
    assert loaded.graph is not None, [render(problem) for problem in loaded.diagnostics]
    node = loaded.graph.get(id)
    assert node is not None
    return plain(node.object)["spec"]


def test_a_whole_variable_keeps_its_type_and_within_text_it_becomes_text(tmp_path: Path) -> None:
    parameters = spec_of(load(workspace(tmp_path, DATASET, PIPELINE, MODEL)), "Model/delay")["parameters"]
    assert parameters == {"max_depth": 6, "note": "tree of 6, true, ${var.depth}"}


def test_a_variable_may_stand_for_a_number_a_reference_or_a_part_of_a_name(tmp_path: Path) -> None:
    model = MODEL.replace("data: flights", "data: ${var.data}").replace("name: delay", "name: delay-x") + "  seed: ${var.depth}\n"
    root = workspace(tmp_path, DATASET, PIPELINE, model, local=environment("local", "  variables: {depth: 6, data: flights, name: n, deep: 1}"))
    spec = spec_of(load(root), "Model/delay-x")
    assert (spec["seed"], spec["data"]) == (6, "flights")


def test_overrides_merge_maps_replace_lists_and_delete_by_null(tmp_path: Path) -> None:
    changes = """  variables: {depth: 6, name: n, deep: 1}
  overrides:
    Pipeline/tabular: {arguments: {keep: [3], drop: null, more: {a: 1}}}
    Model/delay: {features: null, seed: '${var.depth}'}
"""
    loaded = load(workspace(tmp_path, DATASET, PIPELINE, MODEL, local=environment("local", changes)))
    assert spec_of(loaded, "Pipeline/tabular")["arguments"] == {"keep": [3], "more": {"a": 1}}
    assert "features" not in spec_of(loaded, "Model/delay")
    assert spec_of(loaded, "Model/delay")["seed"] == 6


def test_an_override_changes_only_its_environment(tmp_path: Path) -> None:
    prod = environment("prod", "  overrides:\n    Pipeline/tabular: {entry: 'other:pipeline'}")
    root = workspace(tmp_path, PIPELINE, local=LOCAL, prod=prod)
    assert [spec_of(load(root, name), "Pipeline/tabular")["entry"] for name in ("local", "prod")] == ["steps:pipeline", "other:pipeline"]


def test_values_of_overrides_and_variables_say_where_they_come_from(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    changes = LOCAL + "  overrides:\n    Model/delay:\n      seed: 3\n      parameters: {max_leaf_nodes: 8}\n"
    loaded = load(workspace(tmp_path, DATASET, PIPELINE, MODEL, local=changes))
    golden("resolved.txt", resolved(loaded))
    origins = resolved_json(loaded)[2]["origins"]
    assert origins["spec.seed"] == "stacks/local.yaml:8 (override)"
    assert origins["spec.parameters.max_depth"] == "specs/specs.yaml:30, ${var.depth} of stacks/local.yaml:5"
    assert origins["spec.package"] == "default"


def test_the_resolved_print_is_yaml_of_the_same_objects() -> None:
    loaded = load(REPOSITORY, "local")
    assert loaded.graph is not None
    documents, problems = read(File("resolved.yaml", resolved(loaded)))
    assert problems == []
    assert [document.value for document in documents] == [plain(node.object) for node in loaded.graph.objects]
    assert [each["value"] for each in resolved_json(loaded)] == [plain(node.object) for node in loaded.graph.objects]


def test_letters_that_yaml_does_not_take_are_escaped_in_the_resolved_print(tmp_path: Path) -> None:
    strange = "\x7f\x85\u2028\U000e0001 é 😀"
    loaded = load(workspace(tmp_path, PIPELINE.replace("drop: x", 'drop: "\\x7f\\x85\\u2028\\U000e0001 é 😀"')))
    text = resolved(loaded)
    assert r'drop: "\x7f\x85\u2028\U000e0001 é 😀"' in text
    documents, problems = read(File("resolved.yaml", text))
    assert (problems, documents[0].value["spec"]["arguments"]["drop"]) == ([], strange)


def test_variables_in_the_environment_itself_are_put_in(tmp_path: Path) -> None:
    text = environment("local", "  variables: {folder: .mlx/state, at_once: 2}\n  state: {backend: 'file://${var.folder}'}\n  parallel: ${var.at_once}")
    spec = load(workspace(tmp_path, PIPELINE, local=text)).environment.spec
    assert (spec.state.backend, spec.parallel) == ("file://.mlx/state", 2)


def test_a_problem_within_an_alias_or_a_merge_points_at_the_value(tmp_path: Path) -> None:
    text = PIPELINE.replace("metadata: {name: tabular}", "metadata:\n  <<: &who\n    owner: 5\n  name: tabular")
    assert [(each.line, each.column, each.message) for each in validate(workspace(tmp_path, text))] == [(5, 12, "expected text, found 5")]


def test_override_leaves_its_arguments_alone(tmp_path: Path) -> None:
    root = workspace(tmp_path, PIPELINE, local=LOCAL + "  overrides: {Pipeline/tabular: {arguments: {drop: null}}}\n")
    before = load(root)
    assert before.graph is not None
    environment_document, node = before.document, before.graph.objects[0]
    kept = str(node.document.value)
    override(node.document, environment_document, ("spec", "overrides", "Pipeline/tabular"))
    assert str(node.document.value) == kept
