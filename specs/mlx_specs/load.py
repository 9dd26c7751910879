"""A workspace and an environment's name become one frozen value: the environment and the graph of its specs.

Files enter, ``Loaded`` leaves; below it nobody sees a dict, a path or a variable. All problems are collected, none raises.
The steps: read files, draft objects, choose the environment, keep what exists there, override, put variables in, type.
"""

import gc
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlx_specs.diagnostics import Diagnostic, did_you_mean, ordered
from mlx_specs.documents import Document
from mlx_specs.environment import Environment
from mlx_specs.environments import Chosen, check, choose, read_drafts
from mlx_specs.graph import Graph, Node, make_graph
from mlx_specs.objects import Draft, draft, make_object, unknown_environments
from mlx_specs.overrides import override
from mlx_specs.reading import Reading, read_environments, read_specs


@dataclass(frozen=True)
class Loaded:
    """What a workspace says for one environment; ``graph`` is None where there are errors."""

    workspace: Path
    environment: Environment
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]
    document: Document
    """Where the environment stands."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that are errors."""
        return tuple(each for each in self.diagnostics if each.severity == "error")


@dataclass(frozen=True)
class Draught:
    """Everything that could be made of a workspace, problems or not: what the rules look at."""

    workspace: Path
    chosen: Chosen
    environments: Mapping[str, Document]
    """Every environment of the workspace by name."""
    graph: Graph
    """The objects without problems of their own."""
    ids: frozenset[str]
    """Every object of this environment, also those with problems."""
    elsewhere: Mapping[str, Sequence[str]]
    """Objects that exist only in other environments, with these."""
    documents: tuple[Document, ...]
    """Every document of this environment with overrides and variables put in."""
    complete: bool
    """False where some document could not be read, or the environment is not there: a reference may lead to what was lost."""
    diagnostics: tuple[Diagnostic, ...]


def load(workspace: Path, environment: str | None = None) -> Loaded:
    """The environment and its graph, by the fields of each object; the rules between objects are ``validate``'s."""
    with collector_paused():
        return loaded(drafted(workspace, environment))


@contextmanager
def collector_paused() -> Generator[None]:
    """Loading makes many objects and drops few: with the garbage collector running, 10,000 specs take five times as long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def loaded(draught: Draught, more: Sequence[Diagnostic] = ()) -> Loaded:
    """The frozen value of a draught, with more diagnostics than its own."""
    diagnostics = tuple(ordered((*draught.diagnostics, *more)))
    failed = any(each.severity == "error" for each in diagnostics)
    return Loaded(draught.workspace, draught.chosen.object, None if failed else draught.graph, diagnostics, draught.chosen.document)


def drafted(workspace: Path, environment: str | None = None) -> Draught:
    """All that can be made of a workspace for one environment."""
    problems: list[Diagnostic] = []
    stacks, specs = read_environments(workspace), read_specs(workspace)
    environments = read_drafts(stacks, problems)
    chosen = choose(environments, environment, problems)
    for other in environments.values():
        if other.name != chosen.name:
            check(other, problems)
    drafts, complete = _drafts(specs, problems)
    if stacks.complete:
        problems += [problem for each in drafts for problem in unknown_environments(each, {*environments, chosen.name})]
    present, elsewhere = _present(drafts, chosen.name, problems)
    present = _overridden(present, elsewhere, chosen, complete, problems)
    nodes, documents = _typed(present, chosen, problems)
    ids = frozenset(each.id for each in present)
    problems += [*stacks.diagnostics, *specs.diagnostics]
    return Draught(
        workspace,
        chosen,
        {name: each.document for name, each in environments.items()},
        make_graph(nodes),
        ids,
        elsewhere,
        tuple(documents),
        complete and chosen.exists,
        tuple(problems),
    )


def _drafts(specs: Reading, problems: list[Diagnostic]) -> tuple[list[Draft], bool]:
    """The drafts, and whether every document became one."""
    drafts: list[Draft] = []
    complete = specs.complete
    for document in specs.documents:
        each = draft(document)
        if isinstance(each, list):
            problems += each
            complete = False
        elif each.kind == "Environment":
            problems.append(document.problem(("kind",), "place", "an Environment does not belong in specs/", f"move it to stacks/{each.name}.yaml"))
        else:
            drafts.append(each)
    return drafts, complete


def _present(drafts: Sequence[Draft], environment: str, problems: list[Diagnostic]) -> tuple[list[Draft], dict[str, Sequence[str]]]:
    """The objects of this environment, each once, and those that only others have."""
    present: dict[str, Draft] = {}
    elsewhere: dict[str, Sequence[str]] = {}
    for each in drafts:
        if each.environments is not None and environment not in each.environments:
            elsewhere[each.id] = each.environments
        elif each.id in present:
            first = present[each.id].document.place()
            problems.append(
                each.document.problem(("metadata", "name"), "duplicate-object", f"{each.kind} '{each.name}' is defined twice", f"the first one is in {first}")
            )
        else:
            present[each.id] = each
    return list(present.values()), {id: names for id, names in elsewhere.items() if id not in present}


def _overridden(present: list[Draft], elsewhere: Mapping[str, Sequence[str]], chosen: Chosen, complete: bool, problems: list[Diagnostic]) -> list[Draft]:
    """The drafts with the environment's overrides; an override of nothing is a problem."""
    by_id = {each.id: each for each in present}
    for id, change in chosen.overrides.items():
        at = ("spec", "overrides", id)
        if id not in by_id:
            problems += _unused_override(id, at, by_id, elsewhere, chosen) if complete else []
        elif isinstance(change, dict):
            by_id[id] = replace(by_id[id], document=override(by_id[id].document, chosen.document, at))
    return list(by_id.values())


def _unused_override(id: str, at: tuple[str, ...], by_id: Mapping[str, Draft], elsewhere: Mapping[str, Sequence[str]], chosen: Chosen) -> list[Diagnostic]:
    if id in elsewhere:
        message, hint = f"{id} does not exist in environment '{chosen.name}'", f"it names environments: {', '.join(elsewhere[id])}"
    else:
        message, hint = f"this override changes nothing: there is no {id}{did_you_mean(id, by_id)}", "an override is named KIND/NAME, such as Model/delay"
    return [chosen.document.problem(at, "override", message, hint, key=True)]


def _typed(present: Sequence[Draft], chosen: Chosen, problems: list[Diagnostic]) -> tuple[list[Node], list[Document]]:
    nodes: list[Node] = []
    documents: list[Document] = []
    for each in present:
        node, document, found = make_object(each, chosen.variables, chosen.name)
        nodes += [node] if node is not None else []
        documents.append(document)
        problems += [problem for problem in found if chosen.exists or problem.code != "variable"]
    return nodes, documents
