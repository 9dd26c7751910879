"""The Job that a pipeline's last step starts: an apply in the cluster, which completes what waits for the new version.

It stands ready in a ConfigMap, whole, so that the step needs no more than the right to create it.
"""

import json

from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.pods import container, pod, secret_variables, variables
from mlx_pipelines.contract import APPLY_JOB, APPLY_MAP
from mlx_specs.accounts import APPLY
from mlx_specs.base import KubernetesSecret

SECRET = "mlx-state"
"""The Secret of the namespace that holds the state's passphrase under the name of its variable; infra engineers make it."""
KEPT_SECONDS = 7 * 24 * 3600


def completion_objects(place: Place, backend: str, passphrase: str | None) -> tuple[Manifest, ...]:
    """``passphrase`` is the variable that holds it, where the state has one."""
    text = json.dumps(completion_job(place, backend, passphrase), indent=1, sort_keys=True)
    metadata = {"name": APPLY_MAP, "namespace": place.namespace, "labels": place.labels_of("Environment", place.environment)}
    return ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {APPLY_JOB: text}},)


def completion_job(place: Place, backend: str, passphrase: str | None) -> Manifest:
    """Named by the server: each version that is registered starts one, and they wait for each other by the state's lock."""
    command = ["python", "-m", "mlx_stacks.in_cluster", "--backend", backend, "--project", place.project, "--environment", place.environment]
    made = container("mlx", place.image("pipelines"), command, None, env=variables(place))
    if passphrase is not None:
        made["env"] = [*made["env"], *secret_variables({passphrase: KubernetesSecret(name=SECRET, key=passphrase)})]
    labels = place.labels_of("Environment", place.environment)
    template = {"metadata": {"labels": {**labels, **place.reach.pod_labels}}, "spec": pod(place, [made], None, account=APPLY)}
    metadata = {"generateName": f"{APPLY_MAP}-", "namespace": place.namespace, "labels": labels}
    spec = {"backoffLimit": 3, "ttlSecondsAfterFinished": KEPT_SECONDS, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
