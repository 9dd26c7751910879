"""Rules of images: on a cluster, whatever runs has one."""

from collections.abc import Iterator

from mlx_specs.base import Compute
from mlx_specs.dataset import Dataset, DatasetSpec
from mlx_specs.diagnostics import Diagnostic, listing
from mlx_specs.environment import KubernetesTarget
from mlx_specs.graph import Graph
from mlx_specs.inference import Inference, InferenceSpec
from mlx_specs.load import Draught
from mlx_specs.notebook import Notebook

BUILD = "build it as runtime/images says, and write its digest"


def pods_have_an_image(draught: Draught) -> Iterator[Diagnostic]:
    """The images that may be left out of an environment are those that nothing in it runs."""
    target, document = draught.chosen.object.spec.target, draught.chosen.document
    if not isinstance(target, KubernetesTarget):
        return
    wanting = {
        "spark": (target.images.spark, list(_on_spark(draught.graph)), f"{BUILD}: streams, and what runs on several nodes, are Spark applications"),
        "notebook": (target.images.notebook, list(_notebooks(draught.graph)), f"{BUILD}, or say spec.image of each notebook"),
    }
    for name, (digest, ids, hint) in wanting.items():
        if digest is None and ids:
            yield document.problem(("spec", "target", "images"), "missing", f"'{name}' is wanting: {listing(ids)} cannot start without it", hint, key=True)


def _on_spark(graph: Graph) -> Iterator[str]:
    for node in graph.objects:
        match node.object:
            case Dataset(spec=DatasetSpec(compute=Compute(is_spread=True))) | Inference(spec=InferenceSpec(mode="batch", compute=Compute(is_spread=True))):
                yield node.id
            case Inference(spec=InferenceSpec(mode="stream")):
                yield node.id
            case _:
                pass


def _notebooks(graph: Graph) -> Iterator[str]:
    for node in graph.objects:
        if isinstance(node.object, Notebook) and node.object.spec.image is None:
            yield node.id


RULES = (pods_have_an_image,)
