"""What ``mlx doctor`` looks at for an environment on a cluster: each server that a plan asks, before a plan does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mlx_cli.checks import Check
from mlx_specs.environment import KubernetesTarget

if TYPE_CHECKING:
    from mlx_stacks.workspace import Workspace

PLACEHOLDER = f"sha256:{'0' * 64}"


def cluster_checks(workspace: Workspace) -> Iterator[Check]:
    """Nothing for an environment on this machine."""
    target = workspace.environment.spec.target
    if isinstance(target, KubernetesTarget):
        yield _answering("cluster", lambda: _cluster(workspace))
        yield _answering("mlflow", lambda: _mlflow(target))
        yield _answering("pipelines", lambda: _pipelines(target))
        yield _images(workspace.name, target)


def _answering(name: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(name, True, ask())
    except Exception as error:  # whatever it is, doctor's work is to say it beside the other checks
        return Check(name, False, str(error), getattr(error, "hint", ""))


def _cluster(workspace: Workspace) -> str:
    from mlx_stacks.cluster_look import asked
    from mlx_stacks.on_cluster import connect

    connected, _ = connect(workspace)
    client = asked(connected.client)
    version = asked(lambda: client.get("/version")).body.get("gitVersion", "")
    return f"{client.connection.server} answers as Kubernetes {version}"


def _mlflow(target: KubernetesTarget) -> str:
    from mlx_pipelines.registry_rest import versions_of

    versions_of(target.mlflow, "mlx-doctor")
    return f"{target.mlflow} answers"


def _pipelines(target: KubernetesTarget) -> str:
    from mlx_pipelines.kfp_api import refuse_unfit

    refuse_unfit(target.pipelines)
    return f"{target.pipelines} answers"


def _images(environment: str, target: KubernetesTarget) -> Check:
    images = target.images.model_dump(exclude={"registry"})
    wanting = [name for name, digest in images.items() if digest == PLACEHOLDER]
    hint = f"build and push them (runtime/images/README.md), then say their digests in stacks/{environment}.yaml"
    return Check("images", not wanting, f"no digest yet: {', '.join(wanting)}" if wanting else f"in {target.images.registry}, by digest", hint)
