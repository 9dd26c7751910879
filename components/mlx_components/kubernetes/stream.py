"""A stream on a cluster: a Spark application that runs until it is taken away."""

from mlx_components.kubernetes.inference import LookedUp
from mlx_components.kubernetes.place import Manifest, Place
from mlx_components.kubernetes.programs import Program, running_objects
from mlx_features.online_settings import VARIABLE
from mlx_runtime.stream.kafka import PROPERTIES
from mlx_specs.base import Compute, KubernetesSecret, seconds
from mlx_specs.followed import FollowedStream
from mlx_specs.inference import Inference, Stream
from mlx_specs.remote_lookup import RemoteLookup
from mlx_specs.resources import Version

STREAM = "mlx.dev/stream"
"""The annotation that says which stream is followed: another one begins anew."""
MEMORY = "2Gi"
"""Of driver and executors, where nothing is said: each is a JVM with Python beside it."""


def stream_objects(
    inference: Inference, settings: Stream, place: Place, version: Version, event_time: str, features: LookedUp | None = None
) -> tuple[Manifest, ...]:
    """Nothing runs before there is a version; another one goes on where the last one stood. ``event_time`` is the column of a row's moment."""
    if not version.exists:
        return ()
    told = FollowedStream(
        environment=place.environment,
        name=inference.metadata.name,
        model=inference.spec.model,
        version=version,
        source=settings.source,
        sink=settings.sink or "",
        columns=list(settings.columns),
        start=settings.start,
        event_time=event_time,
        watermark=seconds(settings.watermark) if settings.watermark is not None else None,
        interval=seconds(settings.interval),
        features=_lookup(features) if features is not None else None,
        storage=place.target.storage,
    )
    compute = inference.spec.compute or Compute()
    asked = compute if compute.memory is not None else compute.model_copy(update={"memory": MEMORY})
    secrets = _secrets(settings, features)
    return running_objects(Program(inference, f"stream-{told.name}", "stream", told.wire(), asked, secrets=secrets, notes={STREAM: told.digest}), place)


def _lookup(features: LookedUp) -> RemoteLookup:
    type = features.store.type
    assert type != "sqlite", "said by features_are_where_pods_read_them"
    return RemoteLookup(lookup=features.lookup, online_store=type, awaited=features.awaited, code=features.code)


def _secrets(settings: Stream, features: LookedUp | None) -> dict[str, KubernetesSecret]:
    """What the program reads from Secrets, by the variables that hold it."""
    found = dict[str, KubernetesSecret]()
    if settings.kafka is not None and settings.kafka.kubernetes is not None:
        found[PROPERTIES] = settings.kafka.kubernetes
    if features is not None and features.store.connection is not None:
        found[VARIABLE] = features.store.connection
    return found
