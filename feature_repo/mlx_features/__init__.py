"""mlx_features"""
