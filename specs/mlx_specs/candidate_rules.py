"""The rules of a Model's candidates and its search: what is judged, by what, and that each thing is said once.

Everything that could be made of a workspace enters; diagnostics leave.
"""

from collections.abc import Iterator

from mlx_specs.diagnostics import Diagnostic, did_you_mean, there_are
from mlx_specs.graph import Node
from mlx_specs.load import Draught
from mlx_specs.model import Model, ModelSpec


def candidates_stand_for_the_algorithm(draught: Draught) -> Iterator[Diagnostic]:
    """A model has an algorithm with parameters, or candidates that each have theirs; every candidate has a name of its own."""
    for node, spec in _chosen_among(draught):
        if spec.candidates and spec.algorithm is not None:
            hint = "make it one of the candidates, or leave the candidates out"
            yield node.problem(("spec", "algorithm"), "algorithm", "a model has 'algorithm' or 'candidates', not both", hint, key=True)
        if spec.candidates and spec.parameters:
            yield node.problem(("spec", "parameters"), "ignored-field", "each candidate has parameters of its own", "write them in the candidate", key=True)
        labels = [candidate.label for candidate in spec.candidates]
        for index, label in enumerate(labels):
            if label in labels[:index]:
                yield node.problem(("spec", "candidates", index), "duplicate", f"two candidates are called '{label}'", "give each a name: name: small")


def a_search_knows_its_algorithm(draught: Draught) -> Iterator[Diagnostic]:
    """A search is of the model's algorithm or of one candidate, and of parameters that are not given a value, too."""
    for node, spec in _chosen_among(draught):
        if spec.search is None:
            continue
        labels = [candidate.label for candidate in spec.candidates]
        if spec.search.candidate is None and spec.candidates:
            message = "a search among candidates says which of them it is of: 'candidate' is missing"
            yield node.problem(("spec", "search"), "missing-field", message, there_are(sorted(set(labels))), key=True)
        elif spec.search.candidate is not None and spec.search.candidate not in labels:
            near = did_you_mean(spec.search.candidate, labels)
            yield node.problem(
                ("spec", "search", "candidate"), "reference", f"there is no candidate '{spec.search.candidate}'{near}", there_are(sorted(set(labels)))
            )
        elif not spec.candidates and spec.algorithm is None:
            hint = "an estimator class by import path, whose other parameters stand in 'parameters'"
            yield node.problem(("spec", "search"), "missing-field", "a search needs an 'algorithm', or candidates", hint, key=True)
        yield from _fixed_and_searched(node, spec)


def _fixed_and_searched(node: Node, spec: ModelSpec) -> Iterator[Diagnostic]:
    assert spec.search is not None
    base = next((candidate.parameters for candidate in spec.candidates if candidate.label == spec.search.candidate), spec.parameters)
    for name in spec.search.parameters:
        if name in base:
            message = f"'{name}' has a value in 'parameters', too: a search would never use it"
            yield node.problem(("spec", "search", "parameters", name), "duplicate", message, "take it out of one of the two", key=True)


def the_best_is_known_by_a_criterion(draught: Draught) -> Iterator[Diagnostic]:
    """Candidates are compared by the metric of the first success criterion, so there is one."""
    for node, spec in _chosen_among(draught):
        if not spec.success:
            field = "candidates" if spec.candidates else "search"
            message = f"'{field}' needs a success criterion: the metric of the first one says which is the best"
            yield node.problem(("spec", field), "missing-field", message, "write success: [{metric: roc_auc, atLeast: 0.7}]", key=True)


def _chosen_among(draught: Draught) -> Iterator[tuple[Node, ModelSpec]]:
    for node in draught.graph.objects:
        if isinstance(node.object, Model) and (node.object.spec.candidates or node.object.spec.search is not None):
            yield node, node.object.spec


RULES = (candidates_stand_for_the_algorithm, a_search_knows_its_algorithm, the_best_is_known_by_a_criterion)
