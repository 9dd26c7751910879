"""Annotations of Kubernetes objects that one part of mlx writes and another reads."""

STOPPED = "kubeflow-resource-stopped"
"""On a Notebook: its pod goes and its volume stays. Source: Kubeflow Notebooks v1, controllers/culling_controller.go."""
RUNS_AGAIN, FAILED = "mlx.dev/run-again", "failed"
"""On what runs once, with this value: where it has failed to its end, the next apply deletes it and makes it anew."""
