"""What runs on a cluster are asked to train: submitted and not waited for, so known by definitions alone.

Enters: an opened workspace. Leaves: a SubmittedRun for each model, what its pipeline is called with, and the compiled pipelines with the
code that their steps need. Reads only.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlx_components.dataset import definition
from mlx_components.kubernetes.pipeline import Compiled, steps_of
from mlx_components.model import version_inputs
from mlx_components.resource import about
from mlx_pipelines.code import code_digest
from mlx_pipelines.code_bundle import packed
from mlx_pipelines.compile import pipeline_parameters
from mlx_pipelines.contract import EVERY_COLUMN, RUN, arguments_for, offered, refuse_what_is_ignored
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.feature_code import FOLDER, functions_digest
from mlx_runtime.prepare.digests import of_files
from mlx_runtime.prepare.folder import DATA
from mlx_specs import layout
from mlx_specs.dataset import Dataset
from mlx_specs.digests import digest
from mlx_specs.feature_definitions import definitions_of, part_of
from mlx_specs.feature_resources import FeatureJoin
from mlx_specs.feature_services import Service, services_of
from mlx_specs.graph import Graph
from mlx_specs.layout import Layout
from mlx_specs.model import Model
from mlx_specs.model_resources import fingerprint
from mlx_specs.pipeline import Pipeline, PipelineSpec
from mlx_specs.pipeline_resources import SubmittedRun
from mlx_specs.resources import PreparedData
from mlx_stacks.compiled import compiled
from mlx_stacks.released_code import algorithms_of
from mlx_stacks.workspace import Workspace
from mlx_stacks.workspace_files import workspace_files

COMPLETING = "mlx_pipelines.steps.complete:completing"
"""The pipeline whose one step comes last on a cluster."""


def definition_digests(graph: Graph, root: Path) -> Mapping[str, str]:
    """Of each dataset and of all that it reads, in the graph's order: its rows may not have been prepared yet.

    Files of the workspace are part of it, as code is; what is elsewhere is looked at by the Job.
    """
    found: dict[str, str] = {}
    for node in graph.objects:
        if isinstance(node.object, Dataset):
            spec = node.object.spec
            files = workspace_files(node.object, root)
            content = [of_files(files, root)] if files else []
            found[node.object.metadata.name] = digest([definition(spec), [found[name] for name in spec.inputs], *content])
    return found


def submitted_runs(workspace: Workspace, datasets: Mapping[str, str]) -> Mapping[str, SubmittedRun]:
    """By the model's name; ``datasets`` are digests of definitions."""
    return {node.object.metadata.name: _submitted(node.object, datasets, workspace) for node in workspace.graph.objects if isinstance(node.object, Model)}


def compiled_pipelines(workspace: Workspace, runs: Mapping[str, SubmittedRun]) -> Mapping[str, Compiled]:
    """By name, each with the code of every model that it trains: a step's pod has no other. Raises ``PipelineError``."""
    pipelines = [node.object for node in workspace.graph.objects if isinstance(node.object, Pipeline)]
    completing = compiled(PipelineSpec(entry=COMPLETING, arguments={RUN: ""}), workspace.root) if pipelines else {}
    return {each.metadata.name: Compiled(_with_its_steps(each, workspace.root), _code(each, workspace, runs), completing) for each in pipelines}


def _with_its_steps(pipeline: Pipeline, root: Path) -> dict[str, Any]:
    """The IR; raises ``PipelineError`` where a step is given compute that the pipeline has not: nothing would come of it."""
    ir = compiled(pipeline.spec, root)
    there = steps_of(ir)
    for name in sorted(pipeline.spec.steps.keys() - set(there)):
        reason = f"Pipeline/{pipeline.metadata.name} has no step {name!r}: 'steps' would give it compute"
        raise PipelineError(reason, hint=f"its steps are {', '.join(there)}")
    return ir


def run_arguments(run: SubmittedRun, pipeline: Pipeline, ir: Mapping[str, Any]) -> dict[str, Any]:
    """What the pipeline's function takes of what mlx offers, its own arguments, and what every step is told. Raises ``PipelineError``."""
    parameters = pipeline_parameters(dict(ir))
    refuse_what_is_ignored(run.version, parameters)
    taken = arguments_for(parameters, offered(run.version, run.version.features or [EVERY_COLUMN]), pipeline.spec.arguments)
    return {**taken, RUN: json.dumps(run.wire(), sort_keys=True)}


def pipeline_of(model: Model, graph: Graph) -> Pipeline:
    """The one that trains it."""
    node = graph.get(f"Pipeline/{model.spec.pipeline}")
    assert node is not None and isinstance(node.object, Pipeline), "a reference that validate has followed"
    return node.object


def _submitted(model: Model, datasets: Mapping[str, str], workspace: Workspace) -> SubmittedRun:
    pipeline = pipeline_of(model, workspace.graph)
    data = prepared_data(model.spec.data, datasets, workspace)
    inputs = version_inputs(model, pipeline.spec, data, about(model), home=Layout(workspace.name).home)
    coded = inputs.model_copy(update={"code_digest": code_digest(inputs.entry, workspace.root, *inputs.algorithms)})
    service = services_of(workspace.graph).get(model.spec.feature_service or "")
    join = feature_join(service, datasets, workspace) if service is not None else None
    known = digest([fingerprint(coded), join.wire() if join is not None else None])
    return SubmittedRun(version=coded.model_copy(update={"fingerprint": known}), join=join)


def prepared_data(name: str, datasets: Mapping[str, str], workspace: Workspace) -> PreparedData:
    """Where a laptop would have its rows, by the digest of their definition."""
    node = workspace.graph.get(f"Dataset/{name}")
    assert node is not None and isinstance(node.object, Dataset), "a reference that validate has followed"
    path = layout.dataset(Layout(workspace.name).home, name, datasets[name]) / DATA
    spec = node.object.spec
    return PreparedData(name=name, digest=datasets[name], path=path.as_posix(), keys=list(spec.keys), event_time=spec.event_time)


def feature_join(service: Service, datasets: Mapping[str, str], workspace: Workspace, folder: str = FOLDER) -> FeatureJoin:
    """What is joined to rows; ``folder`` has the code of on-demand views. Raises ``PipelineError`` where a function is not there."""
    store = service.store
    views = {view.source for view in store.spec.feature_views.values()}
    rows = {name: prepared_data(name, datasets, workspace) for name in sorted(views)}
    definitions = part_of(definitions_of(store, {name: data.event_time or "" for name, data in rows.items()}), service.name)
    needed = {view.source for view in definitions.views}
    return FeatureJoin(
        store=store.metadata.name,
        offline_store=store.spec.offline_store.type,
        definitions=definitions,
        sources={name: data for name, data in rows.items() if name in needed},
        code_digest=functions_digest([view.function for view in definitions.on_demand], workspace.root, folder),
    )


def code_of(models: Sequence[Model], pipeline: Pipeline, workspace: Workspace, runs: Mapping[str, SubmittedRun]) -> str:
    """The modules that these models are trained with, as text; raises ``PipelineError`` where they are too large for it."""
    joins = [join for model in models if (join := runs[model.metadata.name].join) is not None]
    algorithms = [path for model in models for path in algorithms_of(model.spec)]
    functions = sorted({view.function for join in joins for view in join.definitions.on_demand})
    return packed(pipeline.spec.entry, workspace.root, algorithms, functions)


def _code(pipeline: Pipeline, workspace: Workspace, runs: Mapping[str, SubmittedRun]) -> str:
    """That of all that it trains."""
    models = [node.object for node in workspace.graph.objects if isinstance(node.object, Model) and node.object.spec.pipeline == pipeline.metadata.name]
    return code_of(models, pipeline, workspace, runs)
