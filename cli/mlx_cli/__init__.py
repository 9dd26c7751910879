"""mlx_cli"""
