"""Notebook on a cluster: Kubeflow's own object with a volume, culled when idle, with the environment's data and registry at hand.

Source: Kubeflow Notebooks v1; the first container's name is the notebook's.
"""

from typing import Any

from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.pods import RUN, container, pod, variables
from mlx_specs.base import seconds
from mlx_specs.notebook import Notebook

HOME = "/home/mlx"
PORT = 8888


def notebook_objects(notebook: Notebook, place: Place) -> tuple[Manifest, ...]:
    """The volume, and the notebook on it."""
    name = notebook.metadata.name
    volume = f"notebook-{name}"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": notebook.spec.storage}}}
    return (
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": place.metadata(notebook, volume), "spec": claim},
        {
            "apiVersion": "kubeflow.org/v1",
            "kind": "Notebook",
            "metadata": _metadata(notebook, place),
            "spec": {"template": {"spec": _pod(notebook, place, volume)}},
        },
    )


def _metadata(notebook: Notebook, place: Place) -> dict[str, Any]:
    made = place.metadata(notebook, notebook.metadata.name)
    return {**made, "labels": {**made["labels"], **place.queue(notebook.spec.compute)}}


def _pod(notebook: Notebook, place: Place, volume: str) -> dict[str, Any]:
    """It stops by itself when nothing has happened for as long as the spec says, whatever the cluster's culling is set to."""
    spec = notebook.spec
    idle = seconds(spec.idle_stop)
    command = [
        "jupyter", "lab", f"--ServerApp.root_dir={HOME}", "--ServerApp.ip=0.0.0.0", f"--ServerApp.port={PORT}", "--ServerApp.open_browser=False",
        f"--ServerApp.base_url=/notebook/{place.namespace}/{notebook.metadata.name}/", "--IdentityProvider.token=", "--ServerApp.allow_origin=*",
        f"--ServerApp.shutdown_no_activity_timeout={idle}", f"--MappingKernelManager.cull_idle_timeout={idle}", "--MappingKernelManager.cull_connected=True",
    ]  # fmt: skip
    image = spec.image or place.image("pipelines")
    given = container(notebook.metadata.name, image, command, spec.compute, env={**variables(place), "HOME": HOME})
    given["volumeMounts"] = [*given["volumeMounts"], {"name": "home", "mountPath": HOME}]
    given["ports"] = [{"containerPort": PORT, "name": "notebook", "protocol": "TCP"}]
    made = pod(place, [given], spec.compute, account=RUN, restart="Always")
    made["volumes"] = [*made["volumes"], {"name": "home", "persistentVolumeClaim": {"claimName": volume}}]
    return made
