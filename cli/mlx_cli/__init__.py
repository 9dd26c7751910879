"""What people type: one file a verb, rendering, exit codes, templates of ``mlx init``.

Enters: arguments. Leaves: results on stdout, the rest on stderr, an exit code. Decides nothing about specs, plans or
resources: those come from the packages below, and are imported only when a verb needs them.
"""
