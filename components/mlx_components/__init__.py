"""mlx_components"""
