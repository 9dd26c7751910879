"""mlx_pipelines"""
