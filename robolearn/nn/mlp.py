"""Plain feed-forward parts: activations, initialisation under an own seed, multilayer perceptrons."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "tanh": torch.tanh,
}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Build modules from `seed`; the global generators are put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class Mlp(nn.Module):
    """Linear layers with an activation after each but the last."""

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int, activation: str) -> None:
        super().__init__()
        sizes = [inputs, *hidden]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.head = nn.Linear(sizes[-1], outputs)
        self._activation = ACTIVATIONS[activation]
        orthogonal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs) to (B, outputs)."""
        for layer in self.layers:
            x = self._activation(layer(x))
        return self.head(x)


def orthogonal(module: nn.Module, gain: float = 2.0**0.5) -> None:
    """Give every linear and convolutional layer of `module` orthogonal weights and zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
