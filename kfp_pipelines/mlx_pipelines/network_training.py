"""Fits a torch module, epoch by epoch, with a checkpoint after each.

Enters: tensors and how to train. Leaves: the module with its last weights, or its best where training stops early. What an epoch does depends on
the seed and its number only, so a training that was killed and goes on after a checkpoint ends, on a CPU, with the very same bits.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlx_pipelines.errors import PipelineError
from mlx_pipelines.network_share import Share
from mlx_pipelines.networks import EPOCHS, Training

CHECKPOINT = "checkpoint.pt"
VALIDATION = 0.1


@dataclass(frozen=True)
class Rows:
    """Prepared rows: standardised numbers [n, k], codes [n, m], and the target: class indices or a standardised number."""

    numbers: Tensor
    codes: Tensor
    target: Tensor

    def take(self, chosen: Tensor) -> "Rows":
        """These rows."""
        return Rows(self.numbers[chosen], self.codes[chosen], self.target[chosen])

    def to(self, device: torch.device) -> "Rows":
        """The same on a device."""
        return Rows(self.numbers.to(device), self.codes.to(device), self.target.to(device))


def fit_network(
    network: nn.Module, rows: Rows, training: Training, *, classes: bool, seed: int, device: torch.device, folder: Path | None, report: Callable[[str], None]
) -> None:
    """In place. With a folder it goes on after the checkpoint there."""
    fitted, validation = _divided(rows, training, seed)
    network.to(device)
    share = Share(device)
    run = _Run(network, training, folder)
    begun = run.resume(share)
    if begun:
        report(f"epoch {begun} of {training.epochs} was the last before the interruption: it goes on from its checkpoint")
    fitted, validation = fitted.to(device), validation.to(device) if validation else None
    loss_of = nn.CrossEntropyLoss() if classes else _squared
    for epoch in range(begun + 1, training.epochs + 1):
        if run.has_stopped:
            break
        told = {"loss": _epoch(network, run.optimizer, fitted, training.batch_size, loss_of, seed + epoch, share)}
        if validation is not None:
            told["validation_loss"] = share.mean(_measure(network, validation, loss_of))
        run.finish(epoch, told)
        report(f"epoch {epoch}/{training.epochs} on {device.type}: " + ", ".join(f"{name} {value:.5f}" for name, value in told.items()))
    run.restore_best()


class _Run:
    """The state between two epochs: what a checkpoint holds."""

    def __init__(self, network: nn.Module, training: Training, folder: Path | None) -> None:
        self._network, self._training, self._folder = network, training, folder
        make = getattr(torch.optim, training.optimizer)
        self.optimizer = make(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
        self._told: list[dict[str, float]] = []
        self._best: dict[str, Tensor] | None = None
        self._best_loss, self._worse = float("inf"), 0

    @property
    def has_stopped(self) -> bool:
        """Whether patience has run out."""
        return self._training.patience is not None and self._worse > self._training.patience

    def resume(self, share: Share) -> int:
        """The last epoch that is done; 0: none. Where several train, the checkpoint of the first is everybody's."""
        path = self._folder / CHECKPOINT if self._folder else None
        kept = torch.load(path, map_location="cpu", weights_only=True) if path is not None and path.is_file() else None
        kept = share.of_first(kept)
        if kept is None:
            return 0
        self._network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self._told, self._best, self._best_loss, self._worse = kept["told"], kept["best"], kept["best_loss"], kept["worse"]
        return int(kept["epoch"])

    def finish(self, epoch: int, told: dict[str, float]) -> None:
        """Remembers the best, and writes the checkpoint."""
        if not all(torch.isfinite(torch.tensor(value)) for value in told.values()):
            raise PipelineError(f"the loss is not a number after epoch {epoch}", hint="a smaller learning_rate, or look at the columns for extreme values")
        self._told.append({"epoch": float(epoch), **told})
        if self._training.patience is not None:
            self._judge(told["validation_loss"])
        if self._folder is not None:
            self._write(epoch)

    def restore_best(self) -> None:
        """With patience the weights of the best epoch, else those of the last."""
        if self._best is not None:
            self._network.load_state_dict(self._best)

    def _judge(self, loss: float) -> None:
        if loss < self._best_loss:
            self._best_loss, self._worse = loss, 0
            self._best = {name: value.detach().clone() for name, value in self._network.state_dict().items()}
        else:
            self._worse += 1

    def _write(self, epoch: int) -> None:
        """Aside, to the disk, renamed: a kill leaves the one before."""
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        kept: dict[str, Any] = {
            "epoch": epoch, "network": self._network.state_dict(), "optimizer": self.optimizer.state_dict(), "told": self._told,
            "best": self._best, "best_loss": self._best_loss, "worse": self._worse,
        }  # fmt: skip
        part = self._folder / f"{CHECKPOINT}.part"
        with part.open("wb") as file:
            torch.save(kept, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / CHECKPOINT)
        (self._folder / EPOCHS).write_text(json.dumps(self._told, indent=1) + "\n")


def _divided(rows: Rows, training: Training, seed: int) -> tuple[Rows, Rows | None]:
    """With patience a tenth of the rows, drawn with the seed, says when to stop."""
    count = len(rows.target)
    if training.patience is None:
        return rows, None
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held = max(1, round(count * VALIDATION))
    return rows.take(order[held:]), rows.take(order[:held])


def _epoch(network: nn.Module, optimizer: Any, rows: Rows, batch: int, loss_of: Callable[[Tensor, Tensor], Tensor], seed: int, share: Share) -> float:
    """The mean loss over all rows, each seen once in an order drawn with the seed."""
    network.train()
    torch.manual_seed(seed)
    count, total = len(rows.target), 0.0
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).to(rows.target.device)
    for start in range(0, count, batch):
        chosen = order[start : start + batch]
        part = rows.take(share.part(chosen))
        optimizer.zero_grad()
        if len(part.target):
            loss = loss_of(network(part.numbers, part.codes), part.target) * (len(part.target) / len(chosen))
            loss.backward()
            total += float(loss.detach()) * len(chosen)
        share.add_up(network)
        optimizer.step()
    return share.total(total) / count


def _measure(network: nn.Module, rows: Rows, loss_of: Callable[[Tensor, Tensor], Tensor]) -> float:
    network.eval()
    with torch.no_grad():
        return float(loss_of(network(rows.numbers, rows.codes), rows.target))


def _squared(predicted: Tensor, target: Tensor) -> Tensor:
    return nn.functional.mse_loss(predicted[:, 0], target)
