"""A small network on the flights: an embedding for each category, two layers on top. Needs the extra `torch`."""

import torch
from torch import Tensor, nn


class FlightNetwork(nn.Module):
    """``numbers`` columns of numbers, ``categories``: how many codes each column of strings has, ``outputs``: classes, or 1."""

    def __init__(self, numbers: int, categories: list[int], outputs: int, hidden: int = 64, embedding: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count, embedding) for count in categories)
        width = numbers + embedding * len(categories)
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """[rows, numbers] and [rows, categories] -> [rows, outputs]."""
        embedded = [layer(codes[:, place]) for place, layer in enumerate(self.embeddings)]
        return self.layers(torch.cat([numbers, *embedded], dim=1))
