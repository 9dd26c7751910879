"""mlx_runtime"""
