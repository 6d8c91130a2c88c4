"""Running standardisation of vector observations."""

import torch
from torch import Tensor, nn


class RunningNorm(nn.Module):
    """Standardise by mean and variance of all rows seen in training.

    Source of the merge of moments: Chan et al., 1979 (parallel variance).
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int, floor: float, limit: float = 5.0) -> None:
        """Start as the identity up to clipping.

        Args:
            size: Length of the vectors.
            floor: Smallest standard deviation to divide by, in the units of the observation, so that an entry which
                hardly moved so far does not explode when it does.
            limit: Standardised values are clipped to +-limit.
        """
        super().__init__()
        self._floor = floor
        self._limit = limit
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.zeros(()))

    @torch.no_grad()
    def absorb(self, x: Tensor) -> None:
        """Take the rows (B, size) into the moments."""
        rows = x.shape[0]
        if not x.numel():
            return
        variance, mean = torch.var_mean(x, dim=0, correction=0)
        total = self.count + rows
        delta = mean - self.mean
        share = rows / total
        between = delta.square() * share * (1.0 - share)
        self.variance.copy_(torch.lerp(self.variance, variance, share) + between)
        self.mean.add_(delta * share)
        self.count.copy_(total)

    def forward(self, x: Tensor) -> Tensor:
        """Return standardised rows (B, size)."""
        std = self.variance.sqrt().clamp_min(self._floor)
        return ((x - self.mean) / std).clamp(-self._limit, self._limit)
