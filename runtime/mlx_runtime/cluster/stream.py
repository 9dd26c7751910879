"""``stream``: follows a topic or a folder until it is told to end."""

from mlx_runtime.cluster.run import Run
from mlx_runtime.errors import RuntimeFailure
from mlx_specs.followed import FollowedStream


def stream(content: str, run: Run) -> None:
    """Raises ``RuntimeFailure``."""
    told = FollowedStream.model_validate_json(content)
    from mlx_runtime.stream.query import follow  # Spark is in the image of Spark applications only

    try:
        follow(told, run.report)
    except RuntimeFailure as error:
        raise RuntimeFailure(f"Inference/{told.name}: {error}", hint=error.hint) from error
