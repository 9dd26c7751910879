"""Why labels that are numbers or true and false cannot be the keys of a parameter, and what to write instead.

A model's parameters travel as JSON text, whose keys are text: ``{0: 1, 1: 5}`` would arrive as ``{"0": 1, "1": 5}``, which
names no label. Said where the keys are read, where the label's type is known, and where a training stopped at it.
"""

HINT = (
    "parameters travel as JSON, whose keys are text: write class_weight: balanced, or make the estimator in a function of kfp_pipelines/ "
    "(algorithm: my_models:make) that has the weights in its Python; a label that is text stands in quotes"
)


def is_class_weight(parameter: str) -> bool:
    """Whether a parameter weighs labels: ``class_weight``, or that of a part, ``model__class_weight``."""
    return parameter == "class_weight" or parameter.endswith("__class_weight")
