"""mlx_provider"""
