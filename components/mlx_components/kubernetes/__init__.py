"""What each kind becomes in a namespace of a cluster: plain objects, the same that `mlx render` writes and an apply declares.

place      where an environment's objects go, and whose they are     pods      what every pod has
declare    objects as resources of one component                    one module for each kind
"""
