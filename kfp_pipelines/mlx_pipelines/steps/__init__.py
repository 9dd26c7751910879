"""One step a file: a KFP component around a plain function, which a test calls as ``step.python_func(...)``.

A step's own imports stand inside it, because KFP takes the function's source alone into the compiled pipeline. What a step
computes is in the plain modules beside this package, which know nothing of KFP.
"""

IMAGE = "python:3.11"
"""The image on a cluster; the laptop runs steps in the environment of mlx."""
