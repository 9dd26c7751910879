"""Annotations of Kubernetes objects that one part of mlx writes and another reads."""

STOPPED = "kubeflow-resource-stopped"
"""On a Notebook: its pod goes and its volume stays. Source: Kubeflow Notebooks v1, controllers/culling_controller.go."""
