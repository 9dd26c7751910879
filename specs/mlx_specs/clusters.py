"""One Cluster of a workspace, read by itself: it is a stack of its own, and no environment has a say in it.

Files enter; the typed object and diagnostics leave. What is wrong elsewhere in the workspace is not this stack's to tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlx_specs.cluster import Cluster
from mlx_specs.diagnostics import Diagnostic, File, Place, diagnostic, did_you_mean, ordered, there_are
from mlx_specs.graph import Graph, Node, make_graph
from mlx_specs.machines import machine_problems
from mlx_specs.objects import Draft, draft, make_object
from mlx_specs.pools import declared
from mlx_specs.reading import Reading, read_specs
from mlx_specs.secret_rules import secrets_in

STACK_PREFIX = "cluster-"
"""Stacks of clusters are named so; no environment is."""


@dataclass(frozen=True)
class LoadedCluster:
    """The cluster and its graph of one object; None where there are problems."""

    node: Node | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def graph(self) -> Graph:
        """The cluster alone."""
        return make_graph([self.node] if self.node else [])


def stack_name(cluster: str) -> str:
    """The Pulumi stack of a cluster."""
    return f"{STACK_PREFIX}{cluster}"


def load_cluster(workspace: Path, name: str) -> LoadedCluster:
    """The Cluster of this name."""
    reading = read_specs(workspace)
    drafts = _drafts(reading)
    chosen = [each for each in drafts if each.name == name]
    if not chosen:
        return LoadedCluster(None, (*reading.diagnostics, _unknown(name, drafts)))
    if len(chosen) > 1:
        first, second = chosen[:2]
        hint = f"the first one is in {first.document.place()}"
        return LoadedCluster(None, (second.document.problem(("metadata", "name"), "duplicate-object", f"Cluster '{name}' is defined twice", hint),))
    return _typed(chosen[0], workspace)


def clusters_elsewhere(workspace: Path, environment: str) -> list[Diagnostic]:
    """What is wrong with the Clusters that this environment does not have: no environment has a say in them, so any is good to check them."""
    others = [each for each in _drafts(read_specs(workspace)) if each.environments is not None and environment not in each.environments]
    return [problem for each in others for problem in _typed(each, workspace).diagnostics]


def _drafts(reading: Reading) -> list[Draft]:
    return [each for each in map(draft, reading.documents) if not isinstance(each, list) and each.kind == "Cluster"]


def _unknown(name: str, drafts: Sequence[Draft]) -> Diagnostic:
    names = sorted(each.name for each in drafts)
    hint = there_are(names) if names else "write one in specs/ with kind: Cluster"
    return diagnostic(Place(File("specs")), "cluster", f"there is no Cluster '{name}'{did_you_mean(name, names)}", hint)


def _typed(each: Draft, workspace: Path) -> LoadedCluster:
    node, document, problems = make_object(each, {}, stack_name(each.name))
    problems = [_of_no_environment(problem) if problem.code == "variable" else problem for problem in problems]
    problems += [*secrets_in(document), *(_rules(node, workspace) if node is not None else ())]
    return LoadedCluster(None if problems else node, tuple(ordered(problems)))


def _rules(node: Node, workspace: Path) -> Iterator[Diagnostic]:
    yield from machine_problems(node, workspace)
    if isinstance(node.object, Cluster):
        yield from pools_say_what_they_offer(node, node.object)


def _of_no_environment(problem: Diagnostic) -> Diagnostic:
    return replace(problem, message="a Cluster has no variables: it is a stack of its own, in no environment", hint="write the value")


def pools_say_what_they_offer(node: Node, cluster: Cluster) -> Iterator[Diagnostic]:
    """On an existing cluster with queues a pool says what its nodes offer: a queue needs a quota."""
    spec = cluster.spec
    if spec.provider != "existing" or "kueue" not in spec.add_ons:
        return
    for name, pool in spec.node_pools.items():
        if declared(pool) is None:
            message = f"pool '{name}' does not say what each of its nodes offers: its queue needs a quota"
            hint = "write requirements: {cpu: CORES, memory: SIZE}, and gpuCount for GPUs: what pods can use of a node"
            yield node.problem(("spec", "nodePools", name), "missing-field", message, hint, key=True)
