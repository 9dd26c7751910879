"""What the plan says was changed after an apply that was interrupted or failed: what the resources were made of, not what was last asked."""

import json

from mlx_engine.host import Op, Step
from mlx_stacks.changes import FieldChange, ObjectSteps
from mlx_stacks.effects import MEANINGS
from mlx_stacks.reached import FIELDS, changed_fields

URN = "urn:pulumi:local::flights::mlx:components:Model::delay"


def component(old: dict[str, object], new: dict[str, object]) -> Step:
    op = Op.SAME if old == new else Op.UPDATE
    return Step(op, URN, "mlx:components:Model", "delay", custom=False, old_inputs={"spec": old}, new_inputs={"spec": new})


def resource(type: str, old: dict[str, object], new: dict[str, object]) -> Step:
    return Step(Op.UPDATE, f"{URN}::{type}", f"mlx:index:{type}", "delay", custom=True, parent=URN, old_inputs=old, new_inputs=new)


def version(depth: int, **more: object) -> dict[str, object]:
    return {"parameters": json.dumps({"max_depth": depth}), "seed": 0, "fingerprint": str(depth), "data": {"name": "d", "digest": "x"}, **more}


def depth(value: int) -> dict[str, object]:
    return {"parameters": {"max_depth": value}}


def test_a_change_that_state_has_and_the_version_has_not_is_named_with_both_values() -> None:
    item = ObjectSteps("Model/delay", component(depth(8), depth(8)), (resource("ModelVersion", version(6), version(8)),))
    assert changed_fields(item) == (FieldChange("parameters.max_depth", 6, 8),)


def test_another_value_after_a_failed_one_is_told_from_what_was_trained() -> None:
    item = ObjectSteps("Model/delay", component(depth(8), depth(9)), (resource("ModelVersion", version(6), version(9)),))
    assert changed_fields(item) == (FieldChange("parameters.max_depth", 6, 9),)


def test_a_new_field_stays_new_and_what_others_decide_is_no_change_of_the_object() -> None:
    news = version(6, seed=7, data={"name": "d", "digest": "y"})
    item = ObjectSteps("Model/delay", component(depth(6), {**depth(6), "seed": 7}), (resource("ModelVersion", version(6), news),))
    assert changed_fields(item) == (FieldChange("seed", None, 7),)


def test_each_kind_speaks_in_the_words_of_its_spec() -> None:
    same = component({}, {})
    server = resource("ModelServer", {"timeout": 30, "cpu": 1.0, "version": {"version": "1"}}, {"timeout": 60, "cpu": 2.0, "version": {"version": "2"}})
    assert changed_fields(ObjectSteps("Inference/api", same, (server,))) == (
        FieldChange("compute.cpu", 1.0, 2.0),
        FieldChange("realtime.timeout", "30s", "60s"),
    )
    prepared = resource("PreparedDataset", {"definition": {"prepare": [{"sql": "a"}]}, "sourceDigest": "1"}, {"definition": {"prepare": [{"sql": "b"}]}})
    assert changed_fields(ObjectSteps("Dataset/d", same, (prepared,))) == (FieldChange("prepare[0].sql", "a", "b"),)
    owners = [{"about": {"owner": owner}} for owner in ("a", "b")]
    both = (resource("Champion", *owners), resource("ModelVersion", *owners))
    assert changed_fields(ObjectSteps("Model/delay", same, both)) == (FieldChange("metadata.owner", "a", "b"),)


def test_every_resource_has_its_row() -> None:
    assert FIELDS.keys() == MEANINGS.keys()
