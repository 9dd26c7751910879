"""Kubeflow Pipelines as an environment's service account sees it: Kubernetes gives the account's token to whoever applies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlx_kubernetes.errors import KubernetesError
from mlx_pipelines.errors import PipelineError
from mlx_provider.protocol import ResourceError
from mlx_specs.pipeline_resources import ClusterAccess, PipelineRun

if TYPE_CHECKING:
    from mlx_kubernetes.client import Client
    from mlx_pipelines.kfp_api import PipelinesServer


def reached(access: ClusterAccess) -> Client:
    """The cluster, as whoever applies reaches it."""
    from mlx_kubernetes.client import Client
    from mlx_kubernetes.connection import connection

    return Client(connection(access.kubeconfig, access.context))


def pipelines_server(run: PipelineRun, client: Client) -> PipelinesServer:
    """Raises ``KubernetesError`` where no token is given."""
    from mlx_kubernetes.account_token import account_token
    from mlx_pipelines.kfp_api import AUDIENCE, PipelinesServer

    return PipelinesServer(run.api, run.namespace, account_token(client, run.namespace, run.submitter, AUDIENCE))


def namespace_made(run: PipelineRun, client: Client) -> str:
    """When the run's namespace was made, in RFC 3339."""
    namespace = client.get(f"/api/v1/namespaces/{run.namespace}").body
    return str(namespace.get("metadata", {}).get("creationTimestamp") or "")


def refuse_unfit_pipelines(model: str, run: PipelineRun) -> None:
    """Raises ``ResourceError`` where Kubeflow Pipelines would take no run of a model."""
    from mlx_pipelines.kfp_api import refuse_unfit

    with speaking_of(model):
        refuse_unfit(run.api)


@contextmanager
def speaking_of(model: str) -> Iterator[None]:
    """What goes wrong inside goes wrong with this model."""
    try:
        yield
    except (PipelineError, KubernetesError) as error:
        raise ResourceError(f"model {model!r}: {error}", hint=error.hint) from error
