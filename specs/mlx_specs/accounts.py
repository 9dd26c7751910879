"""The service accounts of an environment's namespace: whoever gives them access to a storage names them."""

SERVE, RUN, SPARK, TRAIN, APPLY = "mlx-serve", "mlx-run", "mlx-spark", "mlx-train", "mlx-apply"


def of_notebook(name: str) -> str:
    """Each notebook has one of its own."""
    return f"notebook-{name}"
