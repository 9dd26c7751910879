"""A token of a service account for another server than Kubernetes, such as Kubeflow Pipelines. Source: authentication.k8s.io/v1, TokenRequest."""

from mlx_kubernetes.client import Client
from mlx_kubernetes.errors import KubernetesError

LIFETIME = 600
"""Seconds; the server grants no shorter one."""


def account_token(client: Client, namespace: str, account: str, audience: str) -> str:
    """Whoever asks needs the right to create ``serviceaccounts/token``; raises ``KubernetesError``."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [audience], "expirationSeconds": LIFETIME}}
    answer = client.request("POST", path, body)
    if not answer.ok:
        hint = "who applies must be allowed to create serviceaccounts/token in the namespace; the account comes with the Environment"
        raise KubernetesError(f"no token of service account {namespace}/{account}: {answer.message}", hint=hint)
    return str(answer.body["status"]["token"])
