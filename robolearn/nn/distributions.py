"""The tanh-squashed Gaussian of a continuous actor."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(slots=True)
class TanhGaussian:
    """A diagonal Gaussian of pre-actions u, squashed to actions a = tanh(u) in (-1, 1)."""

    mean: Tensor
    """(B, A) of u."""
    log_std: Tensor
    """(B, A) of u."""

    @property
    def mode(self) -> Tensor:
        """Return tanh(mean), (B, A): the median action, which is what greedy control takes."""
        return torch.tanh(self.mean)

    def transform(self, noise: Tensor) -> Tensor:
        """Return actions (B, A) for standard normal `noise` (B, A)."""
        return torch.tanh(self.mean + self.log_std.exp() * noise)

    def sample(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return reparametrised actions (B, A) and their log density (B,).

        Source: arXiv:1812.05905, appendix C, with log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u)).

        Args:
            noise: (B, A), standard normal.
        """
        u = self.mean + self.log_std.exp() * noise
        gaussian = -0.5 * noise.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)
        squash = 2.0 * (math.log(2.0) - u - functional.softplus(-2.0 * u))
        return torch.tanh(u), (gaussian - squash).sum(-1)


def bounded_log_std(raw: Tensor, low: float, high: float) -> Tensor:
    """Squash `raw` smoothly into (low, high), so that its gradient never vanishes at a clamp."""
    return low + (high - low) * torch.sigmoid(raw)


def raw_log_std(log_std: float, low: float, high: float) -> float:
    """Return the raw value that `bounded_log_std` maps to `log_std`.

    >>> round(raw_log_std(-2.0, -4.0, 0.0), 6)
    0.0
    """
    share = (log_std - low) / (high - low)
    return math.log(share / (1.0 - share))
