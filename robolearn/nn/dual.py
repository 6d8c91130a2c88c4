"""A dual variable: the entropy temperature."""

import math

import torch
from torch import Tensor, nn


class Temperature(nn.Module):
    """A positive scalar, kept as its logarithm."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.log_value = nn.Parameter(torch.tensor(math.log(start)))

    def forward(self) -> Tensor:
        """Return the temperature, a 0-dim tensor."""
        return self.log_value.exp()
