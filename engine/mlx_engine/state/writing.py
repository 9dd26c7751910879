"""How a stack's checkpoint is written under its lock."""

from collections.abc import Callable

from mlx_engine.state.checkpoint import CheckpointText, Snapshot
from mlx_engine.state.files import write_meta
from mlx_engine.state.history import back_up
from mlx_engine.state.integrity import check_snapshot
from mlx_engine.state.lock import Lease


def checkpoint_writer(text: CheckpointText, lease: Lease) -> Callable[[Snapshot], None]:
    """Writes one after the other; what stood there before is kept, as ``.bak`` and among the backups."""
    write_meta(lease.files)
    back_up(lease.files)

    def write(snapshot: Snapshot) -> None:
        check_snapshot(snapshot.resources)
        lease.write_checkpoint(text.text(snapshot))

    return write
