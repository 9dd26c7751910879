"""An object of the specs on a cluster: the component that plans and status speak of, around plain Kubernetes objects."""

from collections.abc import Sequence
from typing import Any

import pulumi

from mlx_components.kubernetes.declare import ClusterProvider, declare_objects
from mlx_components.kubernetes.place import Manifest
from mlx_components.resource import MlxComponent, MlxResource
from mlx_specs.base import Object
from mlx_specs.pipeline_resources import RecurringRunInputs, TrainingRunInputs


class OnClusterComponent(MlxComponent):
    """``objects`` are what later ones may wait for; ``outputs`` what is known of it without asking the cluster."""

    def __init__(
        self,
        obj: Object,
        kind: str,
        manifests: Sequence[Manifest],
        provider: ClusterProvider,
        *,
        after: Sequence[pulumi.Resource] = (),
        protect: bool = False,
        outputs: dict[str, Any] | None = None,
        waits_for: str = "",
    ) -> None:
        super().__init__(obj, kind, waits_for=waits_for)
        self.provider = provider
        self.objects = declare_objects(manifests, self, provider, after=after, protect=protect)
        if outputs is not None:
            self.register_outputs(outputs)

    def more(self, manifests: Sequence[Manifest]) -> None:
        """What stands in what was declared before."""
        self.objects = (*self.objects, *declare_objects(manifests, self, self.provider, after=self.objects))


class TrainedOnClusterComponent(OnClusterComponent):
    """A Model: its objects, the run that trains it where one node does, and its schedule."""

    def __init__(
        self,
        obj: Object,
        manifests: Sequence[Manifest],
        provider: ClusterProvider,
        *,
        run: TrainingRunInputs | None,
        recurring: RecurringRunInputs | None,
        outputs: dict[str, Any],
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        super().__init__(obj, "Model", manifests, provider, after=after)
        options = self.child(depends_on=[*after, *self.objects])
        if run is not None:
            MlxResource("TrainingRun", self.name, run.model_copy(update={"about": self.about}).wire(), ("runId",), options)
        if recurring is not None:
            MlxResource("RecurringRun", self.name, recurring.model_copy(update={"about": self.about}).wire(), ("recurringRunId",), options)
        self.register_outputs(outputs)
