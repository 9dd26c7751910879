"""A pinned environment as it will run: Models and feature stores from its release, everything else from the commit.

Enters: the commit's graph and the environment. Leaves: the graph that the program declares, the release, and what the commit has
beyond it. Reads only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlx_pipelines.code import code_digest
from mlx_pipelines.errors import PipelineError
from mlx_pipelines.feature_code import functions_digest
from mlx_specs import layout
from mlx_specs.base import plain
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic, there_are
from mlx_specs.documents import Document
from mlx_specs.environment import Environment
from mlx_specs.feature_store import FeatureStore
from mlx_specs.graph import Graph, Node, make_graph, make_node
from mlx_specs.inference import Inference
from mlx_specs.kinds import AnyObject
from mlx_specs.layout import Layout
from mlx_specs.lock_file import lock_path, read_lock
from mlx_specs.model import Model
from mlx_specs.pipeline import Pipeline
from mlx_specs.release import Lock, ReleaseFile
from mlx_stacks.changes import differences
from mlx_stacks.release_storage import fetch_release
from mlx_stacks.released_code import model_code
from mlx_stacks.releases import RELEASE_FILE, ReleaseError, objects_of, read_release

PINNED_KINDS = ("Model", "Pipeline", "FeatureStore")


@dataclass(frozen=True)
class Unreleased:
    """Something that the commit says and that this environment does not run."""

    id: str
    reason: str

    def __str__(self) -> str:
        return f"not released: {self.id}: {self.reason}"


@dataclass(frozen=True)
class Released:
    """What a pinned environment is pinned to; without a lock nothing was ever released to it."""

    lock: Lock | None
    file: ReleaseFile
    unreleased: tuple[Unreleased, ...] = ()


@dataclass(frozen=True)
class Pinned:
    """The graph to declare, and what it was made of."""

    graph: Graph
    released: Released
    problems: tuple[Diagnostic, ...] = ()


def pinned(root: Path, environment: Environment, commit: Graph) -> Pinned:
    """The environment's graph; a lock that cannot be read, or whose bytes are not here, is a problem with its place."""
    name, home = environment.metadata.name, Layout(environment.metadata.name).home
    lock = read_lock(root, name)
    if isinstance(lock, list):
        return Pinned(_graph(commit, {}, ""), Released(None, ReleaseFile()), tuple(lock))
    try:
        if lock is not None:
            fetch_release(root, environment, lock.release)
        file = read_release(root, home, lock.release) if lock is not None else ReleaseFile()
    except ReleaseError as error:
        place = Place(File(lock_path(name)))
        return Pinned(_graph(commit, {}, ""), Released(lock, ReleaseFile()), (diagnostic(place, "lock", str(error), _promote(environment)),))
    objects = objects_of(file)
    where = f"{layout.release(home, lock.release)}/{RELEASE_FILE}" if lock is not None else ""
    graph = _graph(commit, objects, where)
    unreleased = tuple(sorted(_unreleased(root, commit, objects, file), key=lambda item: item.id))
    problems = (*_lacking(graph, objects, environment), *_other_modules(root, objects, file, environment))
    return Pinned(graph, Released(lock, file, unreleased), problems)


def _graph(commit: Graph, objects: Mapping[str, AnyObject], where: str) -> Graph:
    """A Pipeline is no object here: nothing is trained, so nothing is compiled; its bytes and its pin stay with the release."""
    kept = [node for node in commit.objects if node.object.kind not in PINNED_KINDS]
    served = [kept_as_here(made, commit) for made in objects.values() if not isinstance(made, Pipeline)]
    return make_graph([*kept, *(make_node(made, Document(File(where), plain(made), line=0)) for made in served)])


def kept_as_here(made: AnyObject, commit: Graph) -> AnyObject:
    """Where a released feature store keeps its values, and when they are brought up to date, is the commit's to say, as scaling is."""
    here = commit.get(f"{made.kind}/{made.metadata.name}")
    if not isinstance(made, FeatureStore) or here is None or not isinstance(here.object, FeatureStore):
        return made
    own = {"online_store": here.object.spec.online_store, "materialization": here.object.spec.materialization}
    return made.model_copy(update={"spec": made.spec.model_copy(update=own)})


def _unreleased(root: Path, commit: Graph, objects: Mapping[str, AnyObject], file: ReleaseFile) -> Iterator[Unreleased]:
    here = {node.id: node for node in commit.objects if node.object.kind in PINNED_KINDS}
    for id, node in here.items():
        reason = _difference(node, kept_as_here(objects[id], commit) if id in objects else None) or _code_changed(root, node, commit, file)
        if reason:
            yield Unreleased(id, reason)
    for id in objects.keys() - here.keys():
        yield Unreleased(id, "the specs have it no more; it stays until a release without it")


def _difference(node: Node, released: AnyObject | None) -> str:
    if released is None:
        return "it is new"
    old, new = plain(released), plain(node.object)
    changed = [change.path for part in ("spec", "metadata") for change in differences(old[part], new[part], "metadata" if part == "metadata" else "")]
    return f"the specs differ in {', '.join(changed)}" if changed else ""


def _code_changed(root: Path, node: Node, commit: Graph, file: ReleaseFile) -> str:
    """The code is the commit's, too; what cannot be read is validate's to say."""
    name = node.object.metadata.name
    try:
        match node.object:
            case Pipeline() as pipeline:
                same = code_digest(pipeline.spec.entry, root) == file.pins.pipelines[name].code_digest
            case Model() as model:
                trained_by = commit.get(f"Pipeline/{model.spec.pipeline}")
                entry = trained_by.object.spec.entry if trained_by is not None and isinstance(trained_by.object, Pipeline) else ""
                same = not entry or model_code(model.spec, entry, root)[0] == file.pins.models[name].code_digest
            case FeatureStore() as store:
                functions = [view.function for view in store.spec.on_demand_views.values()]
                same = functions_digest(functions, root) == (file.pins.feature_stores[name].code_digest or "")
            case _:
                same = True
    except PipelineError:
        same = True
    return "" if same else "its code changed"


def _lacking(graph: Graph, objects: Mapping[str, AnyObject], environment: Environment) -> Iterator[Diagnostic]:
    """An inference of a released model gets its features from a store that was released, too; the commit has the datasets behind it."""
    for node in graph.of_kind("FeatureStore"):
        for dataset in sorted(id for id in node.references if graph.get(id) is None):
            message = f"the released {node.id} reads {dataset}, which is not in the specs of {environment.metadata.name}"
            yield diagnostic(Place(File(lock_path(environment.metadata.name))), "reference", message, "declare it again, or promote a release without it")
    services = {service for made in objects.values() if isinstance(made, FeatureStore) for service in made.spec.feature_services}
    for node in graph.of_kind("Inference"):
        made = node.object
        if isinstance(made, Inference) and f"Model/{made.spec.model.partition('@')[0]}" in objects and made.spec.features not in (None, *services):
            message = f"feature service '{made.spec.features}' is not released to {environment.metadata.name}: {there_are(sorted(services))}"
            yield node.problem(("spec", "features"), "reference", message, _promote(environment))


def _other_modules(root: Path, objects: Mapping[str, AnyObject], file: ReleaseFile, environment: Environment) -> Iterator[Diagnostic]:
    """A native model imports the workspace's modules, so they must be those that it was released with: else it would answer otherwise."""
    for name, pin in file.pins.models.items():
        model, pipeline = objects[f"Model/{name}"], objects.get(f"Pipeline/{pin.pipeline}")
        if pin.modules is None or not isinstance(model, Model) or not isinstance(pipeline, Pipeline):
            continue
        try:
            same = model_code(model.spec, pipeline.spec.entry, root)[1] == pin.modules
        except PipelineError:
            same = False
        if not same:
            message = f"Model/{name} runs natively and imports modules of kfp_pipelines/, which are not those that it was released with"
            hint = f"take the change back, or release a version that was trained with it: {_promote(environment)}"
            yield diagnostic(Place(File(lock_path(environment.metadata.name))), "code", message, hint)


def _promote(environment: Environment) -> str:
    source = environment.spec.promoted_from
    return f"mlx promote{f' --from {source}' if source else ''} --to {environment.metadata.name} copies it"
