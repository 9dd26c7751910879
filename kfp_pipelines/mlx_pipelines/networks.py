"""What a torch module must take to be an algorithm, and which parameters are its training's. Imports no torch.

``class Mine(nn.Module)`` has ``__init__(self, numbers, categories, outputs, ...)`` and ``forward(numbers, codes)``: see
``mlx_pipelines.network_estimator``, which fits it.
"""

import sys
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

GPUS = "MLX_GPUS"
"""How many GPUs the Model asks for, in the environment of its steps; not set: it says nothing."""
GIVEN = frozenset({"numbers", "categories", "outputs"})
"""What mlx gives to the module; a class that takes these three is a network."""


@dataclass(frozen=True)
class Training:
    """How a network is fitted: parameters of the Model that its module never sees."""

    epochs: int = 10
    batch_size: int = 1024
    optimizer: str = "AdamW"
    """A class of torch.optim."""
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    patience: int | None = None
    """Stop after so many epochs without a better loss on a tenth of the training rows, and keep the best; None: train on all rows to the end."""


CHECKPOINTS = "checkpoints"
"""In a run's folder: the state after the last epoch, and the metrics of each."""
EPOCHS = "epochs.json"
"""Metrics of each epoch: a list of maps."""
TRAINING = frozenset(field.name for field in fields(Training))


def is_network(takes: Collection[str]) -> bool:
    """Whether what a class takes by name makes it a network."""
    return set(takes) >= GIVEN


def own_parameters(takes: Collection[str]) -> frozenset[str]:
    """What a Model may write for a network: its own parameters, and those of its training."""
    return frozenset(set(takes) - GIVEN) | TRAINING


def is_module(algorithm: Any) -> bool:
    """Whether what was imported is a class of torch modules; whoever imported it has imported torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(algorithm, type) and issubclass(algorithm, torch.nn.Module)
