"""The losses of soft actor-critic, as functions of tensors."""

from torch import Tensor


def critic_loss(q: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of every critic (E, B) against one target (B,), averaged over both."""
    return (q - target).square().mean()


def soft_value(q: Tensor, log_prob: Tensor, temperature: Tensor) -> Tensor:
    """Return the smallest of the critics' values (E, B) plus the entropy bonus, (B,).

    Source: arXiv:1812.05905, eq. 3.
    """
    return q.amin(0) - temperature * log_prob


def hard_value(q: Tensor, log_prob: Tensor, temperature: Tensor) -> Tensor:
    """Return the smallest of the critics' values (E, B), without an entropy bonus (RLPD, arXiv:2302.02948)."""
    del log_prob, temperature
    return q.amin(0)


def actor_loss(q: Tensor, log_prob: Tensor, temperature: Tensor) -> Tensor:
    """Return the negated soft value of the actor's own actions, by the mean of the critics.

    Source: arXiv:1812.05905, eq. 7, with the ensemble's mean instead of its minimum.

    Args:
        q: (E, B).
        log_prob: (B,).
        temperature: 0-dim.
    """
    return (temperature.detach() * log_prob - q.mean(0)).mean()


def temperature_loss(temperature: Tensor, log_prob: Tensor, target_entropy: float) -> Tensor:
    """Return a loss whose descent raises the temperature where the entropy is below its target.

    Source: arXiv:1812.05905, eq. 18.
    """
    return temperature * (-log_prob.detach().mean() - target_entropy)


def clone_loss(mode: Tensor, action: Tensor, weight: Tensor) -> Tensor:
    """Return the squared distance of greedy actions (B, A) to those taken, averaged over rows by `weight` (B,).

    A squared error on the squashed mode, unlike a likelihood, stays finite for actions at the bounds (grippers).
    """
    error = (mode - action).square().mean(-1)
    return (error * weight).sum() / weight.sum().clamp_min(1.0)
