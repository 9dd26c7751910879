"""Notebook on a cluster: Kubeflow's own object with a volume, stopped when idle, with the environment's data and registry at hand.

Source: Kubeflow Notebooks v1; the first container's name is the notebook's.
"""

from collections.abc import Mapping
from typing import Any

from mlx_components.kubernetes.account import account
from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.pods import container, pod, variables
from mlx_specs.accounts import of_notebook
from mlx_specs.base import seconds
from mlx_specs.notebook import Notebook

HOME = "/home/mlx"
PORT = 8888
WATCHING: Mapping[str, Any] = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}
"""What looking once a minute takes."""
TOKEN_FOLDER = "/mlx/account"
TOKEN_SECONDS = 3600


def notebook_objects(notebook: Notebook, place: Place) -> tuple[Manifest, ...]:
    """The volume, the account that may stop this notebook and no other, and the notebook itself."""
    name = notebook.metadata.name
    volume, own = f"notebook-{name}", of_notebook(name)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": notebook.spec.storage}}}
    stops = {"apiGroups": ["kubeflow.org"], "resources": ["notebooks"], "resourceNames": [name], "verbs": ["patch"]}
    return (
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": place.metadata(notebook, volume), "spec": claim},
        *account(place, own, place.labels(notebook), [stops]),
        {
            "apiVersion": "kubeflow.org/v1",
            "kind": "Notebook",
            "metadata": _metadata(notebook, place),
            "spec": {"template": {"spec": _pod(notebook, place, volume, own)}},
        },
    )


def _metadata(notebook: Notebook, place: Place) -> dict[str, Any]:
    made = place.metadata(notebook, notebook.metadata.name)
    return {**made, "labels": place.pod_labels(notebook, notebook.spec.compute)}  # Kubeflow gives them to the pod


def _pod(notebook: Notebook, place: Place, volume: str, own: str) -> dict[str, Any]:
    """The server, and beside it what stops it: a server that ended by itself would be started again, and keep its node."""
    spec, path = notebook.spec, f"/notebook/{place.namespace}/{notebook.metadata.name}"
    idle = seconds(spec.idle_stop)
    command = [
        "jupyter", "lab", f"--ServerApp.root_dir={HOME}", "--ServerApp.ip=0.0.0.0", f"--ServerApp.port={PORT}", "--ServerApp.open_browser=False",
        f"--ServerApp.base_url={path}/", "--IdentityProvider.token=", "--ServerApp.allow_origin=*",
    ]  # fmt: skip
    image = spec.image or place.image("notebook")
    server = container(notebook.metadata.name, image, command, spec.compute, env={**variables(place), "HOME": HOME})
    server["volumeMounts"] = [*server["volumeMounts"], {"name": "home", "mountPath": HOME}]
    server["ports"] = [{"containerPort": PORT, "name": "notebook", "protocol": "TCP"}]
    server["workingDir"] = HOME  # Kubeflow's own default is a folder that no read-only file system could get
    watch = ["python", "-m", "mlx_runtime.cluster.stop_idle", "--server", f"http://127.0.0.1:{PORT}{path}", "--seconds", str(idle)]
    named = {"MLX_NAMESPACE": place.namespace, "MLX_NOTEBOOK": notebook.metadata.name, "MLX_ACCOUNT": TOKEN_FOLDER}
    watcher = container("stop-idle", place.image("runtime"), watch, None, env=named, resources=WATCHING)
    watcher["volumeMounts"] = [*watcher["volumeMounts"], {"name": "token", "mountPath": TOKEN_FOLDER, "readOnly": True}]
    made = pod(place, [server, watcher], spec.compute, account=own, restart="Always")
    made["volumes"] = [*made["volumes"], {"name": "home", "persistentVolumeClaim": {"claimName": volume}}, _token()]
    return made


def _token() -> dict[str, Any]:
    """As Kubernetes mounts it by itself, but for one container: what people run in the notebook cannot read it."""
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    return {"name": "token", "projected": {"sources": sources}}
