"""A program of ours as a Job, by a schedule as a CronJob, on several nodes or without end as a Spark application.

What it works on stands beside it in a ConfigMap. Both are named by the digest of what they say: a Job cannot be changed, and what
has run for one definition never runs again for it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlx_components.kubernetes.place import Manifest, Place, noted
from mlx_components.kubernetes.pods import (
    CONTAINER_SECURITY,
    POD_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_SIZE,
    container,
    environment,
    placement,
    pod,
    resources,
    secret_variables,
    variables,
)
from mlx_specs.accounts import RUN, SPARK
from mlx_specs.annotations import FAILED, RUNS_AGAIN
from mlx_specs.base import Compute, KubernetesSecret
from mlx_specs.capacity import number_of
from mlx_specs.digests import digest
from mlx_specs.kinds import AnyObject
from mlx_specs.pools import GPU

CONTAINER = "mlx"
OBJECT_FOLDER, OBJECT_FILE = "/mlx", "object.json"
TRIES = 3
RETRY_SECONDS = 60
BEGINS_AGAIN = 10
"""Seconds until what runs without end is begun again, and with each time so many more: the operator never forgets how often it was."""
ENDLESS: Mapping[str, str] = {"spark.driver.maxResultSize": "0", "spark.executor.failuresValidityInterval": "1h"}
"""Of Spark: what comes back to the driver is bounded by us, and an executor that was lost is forgotten."""
SPARK_VERSION = "4.0.0"
MEBIBYTE = 2**20
LEAST_HEAP, LEAST_BESIDE = 512, 384
"""In MiB: what Spark's driver refuses to start below, and what it adds at the least."""
SPARK_API = "sparkoperator.k8s.io/v1beta2"
DIGITS = 10
"""Of a digest in a name."""


@dataclass(frozen=True)
class Program:
    """One of ``python -m mlx_runtime.cluster VERB``, with what it is to work on."""

    obj: AnyObject
    name: str
    """Of the Job, without its digest: ``dataset-flights``."""
    verb: str
    content: Mapping[str, Any]
    compute: Compute | None
    schedule: str | None = None
    once: bool = True
    """Whether it runs when its content is new; else by its schedule only."""
    secrets: Mapping[str, KubernetesSecret] = field(default_factory=dict[str, KubernetesSecret])
    """Variables whose values are keys of Secrets."""
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Annotations of what it works on."""
    final: tuple[int, ...] = ()
    """What it exits with where trying again would lead to the same."""


def program_objects(program: Program, place: Place) -> tuple[Manifest, ...]:
    """Runs once for each content, and by its schedule where it has one."""
    marked = f"{program.name}-{_digest(program, place)}"
    spread = _is_spread(program)
    configuration = _configuration(program, place, marked)
    once = runs_again(_spark(program, place, marked, marked) if spread else _job(program, place, marked))
    if program.schedule is None:
        return (configuration, once)
    scheduled = _scheduled_spark(program, place, marked) if spread else _cron_job(program, place, marked)
    return (configuration, once, scheduled) if program.once else (configuration, scheduled)


def runs_again(once: Manifest) -> Manifest:
    """Where it has failed, the next apply makes it anew: what was wrong may have stood outside the specs."""
    return {**once, "metadata": noted(once["metadata"], {RUNS_AGAIN: FAILED})}


def running_objects(program: Program, place: Place) -> tuple[Manifest, ...]:
    """A Spark application without end. Its name has no digest: with other content the operator ends it before it begins anew, as one checkpoint wants."""
    marked = f"{program.name}-{digest([program.verb, dict(program.content)])[:DIGITS]}"
    made = _spark(program, place, program.name, marked)
    again = {"type": "Always", "onFailureRetryInterval": BEGINS_AGAIN, "onSubmissionFailureRetryInterval": BEGINS_AGAIN}
    return (
        _configuration(program, place, marked),
        {**made, "metadata": noted(made["metadata"], program.notes), "spec": {**made["spec"], "sparkConf": dict(ENDLESS), "restartPolicy": again}},
    )


def _digest(program: Program, place: Place) -> str:
    """Over what is worked on, and over what runs as it is rendered: nobody may change that in a Job."""
    runs = _application(program, place, "") if _is_spread(program) else _job_spec(program, place, "")
    return digest([program.verb, dict(program.content), runs])[:DIGITS]


def _is_spread(program: Program) -> bool:
    return program.compute is not None and program.compute.is_spread


def _configuration(program: Program, place: Place, name: str) -> Manifest:
    text = json.dumps(dict(program.content), indent=1, sort_keys=True)
    metadata = noted(place.metadata(program.obj, name), program.notes)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {OBJECT_FILE: text}, "immutable": True}


def _command(program: Program) -> list[str]:
    return ["python", "-m", "mlx_runtime.cluster", program.verb, f"{OBJECT_FOLDER}/{OBJECT_FILE}"]


def _variables(program: Program, place: Place) -> dict[str, str]:
    """As many threads as cores were asked for: a program sees all cores of its node."""
    threads = program.compute.cpu if program.compute is not None and program.compute.cpu is not None else 1
    return {**variables(place), "MLX_THREADS": str(threads)}


def _pod_template(program: Program, place: Place, configuration: str) -> dict[str, Any]:
    mounted = container(CONTAINER, place.image("runtime"), _command(program), program.compute, env=_variables(program, place))
    mounted["env"] = [*mounted["env"], *secret_variables(program.secrets)]
    mounted["volumeMounts"] = [*mounted["volumeMounts"], {"name": "object", "mountPath": OBJECT_FOLDER, "readOnly": True}]
    spec = pod(place, [mounted], program.compute, account=RUN)
    spec["volumes"] = [*spec["volumes"], {"name": "object", "configMap": {"name": configuration}}]
    return {"metadata": {"labels": place.pod_labels(program.obj)}, "spec": spec}


def _job_spec(program: Program, place: Place, configuration: str) -> dict[str, Any]:
    told = {"onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": list(program.final)}, "action": "FailJob"}
    failure = {"podFailurePolicy": {"rules": [told]}} if program.final else {}
    return {"backoffLimit": TRIES, **failure, "template": _pod_template(program, place, configuration)}


def _job(program: Program, place: Place, name: str) -> Manifest:
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": place.submitted(program.obj, name, program.compute), "spec": _job_spec(program, place, name)}


def _cron_job(program: Program, place: Place, configuration: str) -> Manifest:
    template = {"metadata": {"labels": {**place.labels(program.obj), **place.queue(program.compute)}}, "spec": _job_spec(program, place, configuration)}
    spec = {
        "schedule": program.schedule, "timeZone": "Etc/UTC", "concurrencyPolicy": "Forbid", "startingDeadlineSeconds": 3600,
        "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 3, "jobTemplate": template,
    }  # fmt: skip
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": place.submitted(program.obj, program.name, program.compute), "spec": spec}


def _spark(program: Program, place: Place, name: str, configuration: str) -> Manifest:
    metadata = place.submitted(program.obj, name, program.compute)
    return {"apiVersion": SPARK_API, "kind": "SparkApplication", "metadata": metadata, "spec": _application(program, place, configuration)}


def _scheduled_spark(program: Program, place: Place, configuration: str) -> Manifest:
    spec = {
        "schedule": program.schedule, "timeZone": "Etc/UTC", "concurrencyPolicy": "Forbid", "successfulRunHistoryLimit": 3, "failedRunHistoryLimit": 3,
        "template": _application(program, place, configuration),
    }  # fmt: skip
    return {"apiVersion": SPARK_API, "kind": "ScheduledSparkApplication", "metadata": place.submitted(program.obj, program.name, program.compute), "spec": spec}


def _application(program: Program, place: Place, configuration: str) -> dict[str, Any]:
    """One driver, and an executor on each node.

    What Spark itself does not set stands in the pods' template: the operator's own fields for it are filled in by its webhook, which by
    default sees the namespace `default` only.
    """
    compute = program.compute
    assert compute is not None
    heap, beside = _memory(resources(compute)["requests"]["memory"])
    role: dict[str, Any] = {
        "cores": compute.cpu or 1,
        "memory": heap,
        "memoryOverhead": beside,
        "labels": place.pod_labels(program.obj, compute),  # Kueue takes up a Spark application's pods, not the application
    }
    driver, executor = (_spark_pod(program, place, configuration, f"spark-kubernetes-{name}") for name in ("driver", "executor"))
    return {
        "type": "Python",
        "mode": "cluster",
        "sparkVersion": SPARK_VERSION,
        "image": place.image("spark"),
        "mainApplicationFile": "local:///opt/mlx/spark.py",
        "arguments": [program.verb, f"{OBJECT_FOLDER}/{OBJECT_FILE}"],
        "driver": {**role, "serviceAccount": SPARK, "template": {"spec": driver}},
        "executor": {**role, "instances": compute.nodes or 1, "template": {"spec": executor}},
        "restartPolicy": {"type": "OnFailure", "onFailureRetries": TRIES, "onFailureRetryInterval": RETRY_SECONDS, "onSubmissionFailureRetries": TRIES},
    }


def _spark_pod(program: Program, place: Place, configuration: str, name: str) -> dict[str, Any]:
    gpus = {GPU: str(program.compute.gpu)} if program.compute is not None and program.compute.gpu else {}
    container = {
        "name": name,
        "env": [*environment(_variables(program, place)), *secret_variables(program.secrets)],
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [{"name": "object", "mountPath": OBJECT_FOLDER, "readOnly": True}, dict(SCRATCH_MOUNT)],
        **({"resources": {"limits": gpus, "requests": gpus}} if gpus else {}),
    }
    return {
        "containers": [container],
        "securityContext": dict(POD_SECURITY),
        "volumes": [{"name": "object", "configMap": {"name": configuration}}, {"name": "scratch", "emptyDir": {"sizeLimit": SCRATCH_SIZE}}],
        **placement(place, program.compute),
    }


def _memory(quantity: str) -> tuple[str, str]:
    """The JVM's heap and what is left beside it for Python, which together are what the pod asks for; Spark itself starts with no less than 512 MiB."""
    total = int(number_of(quantity) / MEBIBYTE)
    heap = max(LEAST_HEAP, total // 2)
    return f"{heap}m", f"{max(LEAST_BESIDE, total - heap)}m"
