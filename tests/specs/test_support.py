"""The table of what a target cannot do yet."""

from pathlib import Path

from spec_workspaces import DATASET, MODEL, PIPELINE, workspace

from mlx_specs.kinds import KINDS
from mlx_specs.load import load
from mlx_specs.shapes import follow
from mlx_specs.support import TABLE, deferral, refusals

STREAM = """apiVersion: mlx/v1
kind: Inference
metadata: {name: live}
spec:
  mode: stream
  model: delay@champion
  features: delays
  stream: {source: 'file://in', sink: 'file://out'}
"""
NOTEBOOK = "apiVersion: mlx/v1\nkind: Notebook\nmetadata: {name: lab}\nspec: {compute: {gpu: 1, pool: gpu}}\n"


def test_every_row_names_a_field_that_there_is_and_says_why() -> None:
    for row in TABLE:
        path = tuple(row.field.split(".")) if row.field else ()
        assert follow(KINDS[row.kind], ("spec", *path)).path == ("spec", *path), row
        assert row.reason, row
        assert row.hint or row.verdict == "deferred", row


def test_deferred_kinds_and_modes_say_why_and_the_others_run(tmp_path: Path) -> None:
    graph = load(workspace(tmp_path, DATASET, PIPELINE, MODEL, STREAM, NOTEBOOK)).graph
    assert graph is not None
    assert {node.id: deferral(node.object, "local") for node in graph.objects} == {
        "Dataset/flights": None,
        "Pipeline/tabular": None,
        "Model/delay": None,
        "Inference/live": "streams do not run on this machine yet",
        "Notebook/lab": "notebooks do not start yet",
    }


def test_what_is_only_recorded_is_not_refused_field_by_field(tmp_path: Path) -> None:
    loaded = load(workspace(tmp_path, DATASET, PIPELINE, MODEL, STREAM, NOTEBOOK))
    assert loaded.graph is not None
    assert refusals(loaded.graph, loaded.environment, loaded.document) == []


def test_values_that_are_as_good_as_leaving_a_field_out_are_accepted(tmp_path: Path) -> None:
    api = (
        STREAM.replace("mode: stream", "mode: realtime")
        .replace("  stream: {source: 'file://in', sink: 'file://out'}\n", "")
        .replace("  features: delays\n", "")
    )
    loaded = load(workspace(tmp_path, DATASET, PIPELINE, MODEL + "  compute: {gpu: 0, nodes: 1, cpu: 2}\n", api + "  scaling: {min: 1, max: 1}\n"))
    assert loaded.graph is not None
    assert refusals(loaded.graph, loaded.environment, loaded.document) == []
