"""Ensembles of critics whose layers are single batched matrix products."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from robolearn.nn.mlp import ACTIVATIONS

Weights = list[Tensor]
"""Of an ensemble, in the order of `CriticEnsemble.weights`; each has the ensemble dimension E first."""


class CriticEnsemble(nn.Module):
    """E independent Q functions with LayerNorm between the layers, evaluated at once.

    Source: arXiv:2302.02948, section 4 (LayerNorm critics, ensembles).
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], ensemble: int, activation: str, *, layer_norm: bool = True
    ) -> None:
        super().__init__()
        self.ensemble = ensemble
        sizes = [inputs, *hidden, 1]
        self.kernels = nn.ParameterList(
            _stack_orthogonal(ensemble, a, b, gain=1.0 if b == 1 else 2.0**0.5) for a, b in itertools.pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(ensemble, 1, size) for size in sizes[1:])
        self._hidden = len(hidden)
        self._activation = ACTIVATIONS[activation]
        self._normalise = functional.layer_norm if layer_norm else _identity

    @property
    def weights(self) -> Weights:
        """Return the parameters themselves: all kernels (E, I, O), then all biases (E, 1, O)."""
        return [*self.kernels, *self.biases]

    def frozen(self) -> Weights:
        """Return the same storage without gradients, for losses that must not reach the critics."""
        return [weight.detach() for weight in self.weights]

    def forward(self, x: Tensor, weights: Weights | None = None) -> Tensor:
        """Return Q values (E, B) of features and actions side by side.

        Args:
            x: (B, inputs), shared by all critics.
            weights: Used instead of the own ones; E is then theirs.
        """
        own = self.weights if weights is None else weights
        kernels, biases = own[: self._hidden + 1], own[self._hidden + 1 :]
        h = _first_layer(x, kernels[0], biases[0])
        for kernel, bias in zip(kernels[1:], biases[1:], strict=True):
            h = self._activation(self._normalise(h, h.shape[-1:]))
            h = torch.baddbmm(bias, h, kernel)
        return h.squeeze(-1)


def _first_layer(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Return (E, B, O); one plain product serves all critics, as they share their input (B, I)."""
    E, inputs, outputs = kernel.shape
    flat = x @ kernel.transpose(0, 1).reshape(inputs, E * outputs)
    return flat.view(-1, E, outputs).transpose(0, 1) + bias


def _stack_orthogonal(ensemble: int, inputs: int, outputs: int, gain: float) -> Tensor:
    kernel = torch.empty(ensemble, inputs, outputs)
    for member in kernel:
        nn.init.orthogonal_(member, gain)
    return kernel


def _identity(h: Tensor, shape: Sequence[int]) -> Tensor:
    del shape
    return h
