"""Targets of temporal-difference learning: bootstrapped returns, minima over subsets, Polyak averages."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Choose = Callable[[torch.Generator], Tensor | None]
"""Draws the indices (M,) of the target critics that an update uses; None means all."""


def subset_choice(ensemble: int, subset: int) -> Choose:
    """Return how to draw `subset` of `ensemble` critics for one target (REDQ, arXiv:2101.05982, algorithm 1)."""

    def some(generator: torch.Generator) -> Tensor | None:
        return torch.randperm(ensemble, generator=generator, device=generator.device)[:subset]

    def everyone(generator: torch.Generator) -> Tensor | None:
        del generator

    return everyone if subset == ensemble else some


def td_target(reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """Return reward + discount * next value, (B,).

    `discount` is gamma^k for a k-step return and 0 only at a true terminal: time limits bootstrap.
    """
    return torch.addcmul(reward, discount, next_value)


@torch.no_grad()
def polyak_(target: Sequence[Tensor], online: Sequence[Tensor], tau: float) -> None:
    """Move every target tensor the fraction `tau` towards its online counterpart, in place."""
    for moving, fixed in zip(target, online, strict=True):
        moving.lerp_(fixed, tau)
