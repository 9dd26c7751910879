"""From steps to objects: pure functions over values of the engine."""

from mlx_engine.host import UNKNOWN, Op, Step
from mlx_stacks.changes import FieldChange, by_object, field_changes, has_unknown, id_of_urn

STACK = "urn:pulumi:local::flights::"
MODEL = f"{STACK}mlx:components:Model::delay"
VERSION = f"{STACK}mlx:components:Model$mlx:index:ModelVersion::delay"
CHAMPION = f"{STACK}mlx:components:Model$mlx:index:Champion::delay@champion"


def component(op: Op = Op.SAME, **values: object) -> Step:
    return Step(op, MODEL, "mlx:components:Model", "delay", custom=False, **values)  # type: ignore[arg-type]


def resource(op: Op, urn: str, **values: object) -> Step:
    return Step(op, urn, urn.split("::")[-2].split("$")[-1], urn.split("::")[-1], custom=True, parent=MODEL, **values)  # type: ignore[arg-type]


def test_a_changed_parameter_is_a_path_within_the_spec() -> None:
    step = component(
        Op.UPDATE,
        old_inputs={"spec": {"parameters": {"max_depth": 6}, "success": [{"metric": "f1"}]}, "metadata": {"name": "delay", "owner": "a"}},
        new_inputs={"spec": {"parameters": {"max_depth": 8}, "success": [{"metric": "f1"}]}, "metadata": {"name": "delay", "owner": "b"}},
    )
    assert field_changes(step) == (FieldChange("metadata.owner", "a", "b"), FieldChange("parameters.max_depth", 6, 8))


def changed(old: list[object], new: list[object]) -> tuple[FieldChange, ...]:
    return field_changes(component(Op.UPDATE, old_inputs={"spec": {"checks": old}}, new_inputs={"spec": {"checks": new}}))


def test_an_item_of_a_list_is_a_path_with_its_index() -> None:
    assert changed(["a", "b"], ["a", "c"]) == (FieldChange("checks[1]", "b", "c"),)
    assert changed(["a", "b"], ["b", "a"]) == (FieldChange("checks[0]", "a", "b"), FieldChange("checks[1]", "b", "a"))


def test_lists_of_different_lengths_are_compared_item_by_item() -> None:
    rows, keys, size = {"type": "rows", "min": 0}, {"type": "unique"}, {"type": "rows", "min": 5}
    assert changed([keys, rows], [keys, size, keys]) == (FieldChange("checks[1].min", 0, 5), FieldChange("checks[2]", None, keys))
    assert changed([rows, keys], []) == (FieldChange("checks[0]", rows, None), FieldChange("checks[1]", keys, None))


def test_an_item_that_is_put_in_or_taken_out_is_the_only_change() -> None:
    assert changed(["a", "b", "c"], ["a", "x", "b", "c"]) == (FieldChange("checks[1]", None, "x"),)
    assert changed(["a", "b", "c"], ["b", "c"]) == (FieldChange("checks[0]", "a", None),)
    assert changed(["a", "a"], ["a", "a", "a"]) == (FieldChange("checks[2]", None, "a"),)


def test_steps_are_grouped_under_the_object_that_declares_them_and_a_replacement_counts_once() -> None:
    replace = resource(Op.REPLACE, VERSION)
    steps = [component(), resource(Op.CREATE_REPLACEMENT, VERSION), replace, resource(Op.DELETE_REPLACED, VERSION), resource(Op.SAME, CHAMPION)]
    (item,) = by_object(steps)
    assert (item.id, item.component, item.children) == ("Model/delay", component(), (replace,))


def test_the_object_of_a_urn_is_known_from_its_component_and_from_its_resources() -> None:
    assert [id_of_urn(urn) for urn in (MODEL, VERSION, CHAMPION, f"{STACK}pulumi:pulumi:Stack::flights-local", "")] == [
        "Model/delay",
        "Model/delay",
        "Model/delay",
        "",
        "",
    ]


def test_an_unknown_is_found_at_any_depth() -> None:
    assert has_unknown({"version": {"fingerprint": [UNKNOWN]}})
    assert not has_unknown({"version": {"fingerprint": ["a"]}})
