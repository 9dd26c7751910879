"""mlx_stacks"""
