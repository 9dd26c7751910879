"""One network, trained by several processes at once: each learns from its part of every batch, and all take the same step.

Torch's own variables (``torchrun`` sets them) say who is there; ``MLX_SHARED`` that they train together. The gradient is that of the
whole batch, so the network is the one that a single process would have trained, but for the order in which floats are added and for what
dropout draws.
"""

import os
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

SHARED = "MLX_SHARED"
LIMIT = timedelta(hours=2)
"""Within which all processes are there: the first of them joins features before."""


class Share:
    """This process among those that train one network; alone: everything is its own."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.of = 0, 1
        self._device = device
        if os.environ.get(SHARED) and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            if not distributed.is_initialized():
                distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=LIMIT)
            self.rank, self.of = distributed.get_rank(), distributed.get_world_size()

    def part(self, chosen: Tensor) -> Tensor:
        """Its rows of a batch."""
        return chosen[self.rank :: self.of]

    def add_up(self, network: nn.Module) -> None:
        """The gradients of all parts."""
        if self.of == 1:
            return
        parameters = [each for each in network.parameters() if each.requires_grad]
        flat = torch.cat([(torch.zeros_like(each) if each.grad is None else each.grad).reshape(-1) for each in parameters])
        distributed.all_reduce(flat)
        for each, gradient in zip(parameters, flat.split([each.numel() for each in parameters]), strict=True):
            each.grad = gradient.view_as(each).clone()

    def total(self, value: float) -> float:
        """The sum over all."""
        if self.of == 1:
            return value
        added = torch.tensor([value], dtype=torch.float64, device=self._device)
        distributed.all_reduce(added)
        return float(added)

    def mean(self, value: float) -> float:
        """The same for all: what decides whether they go on."""
        return self.total(value) / self.of

    def of_first(self, value: Any) -> Any:
        """What the first one has; its tensors are on the CPU."""
        if self.of == 1:
            return value
        told = [value]
        distributed.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        return told[0]
