"""Dataset on a cluster: a Job, or a Spark application on several nodes, writes the rows into the environment's storage."""

import json
from collections.abc import Mapping
from typing import Any

from mlx_components.dataset import about_rows, definition
from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.programs import Program, program_objects
from mlx_specs.base import KubernetesSecret, SecretRef
from mlx_specs.dataset import Dataset, SqlSource

SOURCE_URL = "MLX_SOURCE_URL"
"""The variable that holds a database's URL, from its Secret: it never stands in an object of ours."""


def dataset_objects(dataset: Dataset, place: Place, digest: str, inputs: Mapping[str, str]) -> tuple[Manifest, ...]:
    """Prepared once for each definition, whose ``digest`` covers what it reads, too; again by the schedule.

    ``inputs`` has the digest of each dataset that it reads: rows of an older definition are not taken.
    """
    spec, name = dataset.spec, dataset.metadata.name
    told, secrets = _with_secret(dataset)
    content = {
        "name": name,
        "digest": digest,
        "definition": told,
        "inputs": list(spec.inputs),
        "inputDigests": dict(sorted(inputs.items())),
        "storage": place.target.storage,
    }
    program = Program(dataset, f"dataset-{name}", "prepare", content, spec.compute, spec.schedule, secrets=secrets, notes=_notes(dataset))
    return program_objects(program, place)


def _notes(dataset: Dataset) -> Mapping[str, str]:
    """What columns mean and when they are known: other words prepare nothing again."""
    said = about_rows(dataset).wire()
    return {f"mlx.dev/{name}": json.dumps(said[name], sort_keys=True) for name in ("columns", "timeline") if said[name]}


def _with_secret(dataset: Dataset) -> tuple[dict[str, Any], Mapping[str, KubernetesSecret]]:
    """The definition as a pod reads it, and the variables that are made of Secrets."""
    told, source = definition(dataset.spec), dataset.spec.source
    if not isinstance(source, SqlSource) or not isinstance(source.url, SecretRef) or source.url.kubernetes is None:
        return told, {}
    return {**told, "source": {**told["source"], "url": {"env": SOURCE_URL}}}, {SOURCE_URL: source.url.kubernetes}
