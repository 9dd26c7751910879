"""Which namespaces an operator looks into, where that was decided as it was installed.

Enters: a release and its first workload as it runs. Leaves: a sentence where there are namespaces that it does not see.
"""

from collections.abc import Mapping
from typing import Any

from mlx_components.clusters.releases import Release
from mlx_specs.diagnostics import listing
from mlx_stacks.command_lines import containers_of, values_of

DECIDED_BY: Mapping[str, tuple[str, str, str]] = {"spark": ("--namespaces", "--namespace-selector", "spark.jobNamespaces of its chart")}
"""The option with the names, the one with a selector beside them, and what sets both. Source: Spark operator 2.5, spark-operator-chart."""
ALL = ("", '""')


def unseen(release: Release, workload: Mapping[str, Any]) -> tuple[str, ...]:
    """With a selector nobody can tell beforehand which they are."""
    if release.name not in DECIDED_BY:
        return ()
    option, selector, setting = DECIDED_BY[release.name]
    containers = containers_of(workload)
    named = [name for value in values_of(option, containers) for name in value.split(",")]
    if not named or any(name in ALL for name in named) or any(values_of(selector, containers)):
        return ()
    return (f"looks into {listing(named)} only: what mlx makes in other namespaces gets no answer ({setting})",)
