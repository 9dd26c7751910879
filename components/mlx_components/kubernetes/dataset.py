"""Dataset on a cluster: a Job, or a Spark application on several nodes, writes the rows into the environment's storage."""

from mlx_components.dataset import definition
from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.programs import Program, program_objects
from mlx_specs.dataset import Dataset


def dataset_objects(dataset: Dataset, place: Place, digest: str) -> tuple[Manifest, ...]:
    """Prepared once for each definition, whose ``digest`` covers what it reads, too; again by the schedule."""
    spec, name = dataset.spec, dataset.metadata.name
    content = {"name": name, "digest": digest, "definition": definition(spec), "inputs": list(spec.inputs), "storage": place.target.storage}
    return program_objects(Program(dataset, f"dataset-{name}", "prepare", content, spec.compute, spec.schedule), place)
