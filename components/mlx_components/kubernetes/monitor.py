"""A monitor on a cluster: a CronJob of the program that looks on a laptop, too."""

from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.programs import Program, program_objects
from mlx_components.resource import about
from mlx_specs.inference import Inference
from mlx_specs.monitor import Monitor
from mlx_specs.resources import Version
from mlx_specs.watched import DRIFTED, WatchedInStorage


def monitor_objects(monitor: Monitor, inference: Inference, place: Place, version: Version) -> tuple[Manifest, ...]:
    """``version`` is what an endpoint serves. A look that alerts has failed, and is not tried again."""
    name, spec, batch = monitor.metadata.name, monitor.spec, inference.spec.batch
    assert inference.spec.mode != "stream", "said by monitors_watch_what_runs"
    told = WatchedInStorage(
        monitor=name,
        spec=spec,
        about=about(monitor),
        mode=inference.spec.mode,
        version=version if batch is None else Version(),
        input=batch.input if batch is not None else "",
        storage=place.target.storage,
    )
    program = Program(monitor, f"monitor-{name}", "monitor", told.wire(), spec.compute, spec.schedule, once=False, final=(DRIFTED,))
    return program_objects(program, place)
