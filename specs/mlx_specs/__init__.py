"""What people write: the nine kinds, how they are read from YAML and Python, checked, resolved and fingerprinted.

Enters: files of a workspace. Leaves: a graph of frozen specs, or diagnostics with places. Never imports pulumi, kfp,
mlflow, pandas or anything that reads data: ``mlx validate`` must stay instant and offline.
"""
