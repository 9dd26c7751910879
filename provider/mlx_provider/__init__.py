"""pulumi-resource-mlx: create, read, update and delete for what has no provider of its own.

Enters: inputs that components declare (mlx_specs.*_resources). Leaves: prepared data, trained versions, aliases, servers,
predictions. Never decides what should exist or in which order: that is the program's and the host's.
"""
