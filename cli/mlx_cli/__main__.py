"""``python -m mlx_cli`` is ``mlx``."""

from mlx_cli.main import main

main()
