"""Monitors: is what a model is given now, and what it says, still like what it learnt from?

Enters: a monitor's spec, a version's artifact with its reference rows, and rows that it has scored. Leaves: a ``MonitorReport``. The
laptop (mlx_runtime.monitor.look) and a Job on a cluster (mlx_runtime.cluster.monitor) differ in where those rows are found.

A batch run is one window; of an endpoint, the rows of its log in the ``window.size`` before now are.
"""

from mlx_runtime.errors import RuntimeFailure


class MonitorError(RuntimeFailure):
    """There is nothing that could be judged."""
