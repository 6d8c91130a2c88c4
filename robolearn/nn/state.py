"""Weights and optimisers as plain data, and back, in place."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from robolearn.core.errors import CheckpointError, nearest
from robolearn.core.types import Array


def arrays_of(module: nn.Module) -> dict[str, Array]:
    """Return copies of all parameters and buffers of `module`, by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers of `module` on the CPU, by name."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


@torch.no_grad()
def fill(module: nn.Module, state: Mapping[str, object], where: str) -> None:
    """Copy arrays or tensors into the parameters and buffers of `module`, in place; all or nothing.

    Raises:
        CheckpointError: If names or shapes differ.
    """
    own = module.state_dict()
    for name in sorted(own.keys() ^ state.keys()):
        known, given = ("present", "missing") if name in own else ("no such name", "present")
        raise CheckpointError(f"{where} '{name}'", expected=known, got=given, fix=nearest(name, state))
    values = {name: torch.as_tensor(cast("np.ndarray | Tensor", value)) for name, value in state.items()}
    for name, tensor in own.items():
        if values[name].shape != tensor.shape:
            raise CheckpointError(f"{where} '{name}'", expected=tuple(tensor.shape), got=tuple(values[name].shape))
    for name, tensor in own.items():
        tensor.copy_(values[name])


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, object]:
    """Return copies of what an optimiser keeps per parameter, by position in its parameter list."""
    slots = cast("dict[int, dict[str, Tensor]]", optimiser.state_dict()["state"])
    return {str(slot): {key: value.cpu().clone() for key, value in kept.items()} for slot, kept in slots.items()}


def fill_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, object], where: str) -> None:
    """Put back what `optimiser_state` returned; learning rates stay those of `optimiser`.

    Raises:
        CheckpointError: If it was saved for other parameters.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    slots = {int(slot): cast("Mapping[str, Tensor]", kept) for slot, kept in state.items()}
    for slot, kept in slots.items():
        shape = tuple(parameters[slot].shape) if slot < len(parameters) else "no such parameter"
        got = tuple(kept["exp_avg"].shape)
        if got != shape:
            raise CheckpointError(f"{where}, parameter {slot}", expected=shape, got=got)
    copied = {slot: {key: value.clone() for key, value in kept.items()} for slot, kept in slots.items()}
    optimiser.load_state_dict({"state": copied, "param_groups": optimiser.state_dict()["param_groups"]})
