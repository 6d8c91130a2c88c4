"""Trunks and weights that come from files: TorchScript modules and safetensors."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from robolearn.core.errors import CheckpointError
from robolearn.nn.encoders import Frames, to_float


class ScriptedTrunk(nn.Module):
    """A TorchScript module that sees one moment of one camera at a time; its outputs lie side by side."""

    def __init__(self, path: Path, shapes: list[tuple[int, int, int]]) -> None:
        """Load the module and ask it how long its output is for images of `shapes` (H, W, 3 k), one per camera.

        Raises:
            CheckpointError: If the file is missing or is not TorchScript, or the module refuses such images.
        """
        super().__init__()
        promise = "a TorchScript module that maps (N, 3, H, W) float32 in [0, 1] to (N, ...)"
        if not path.is_file():
            raise CheckpointError(str(path), expected=promise, got="no such file")
        try:
            self.module = torch.jit.load(path, map_location="cpu")
            with torch.no_grad():
                probes = [self.module(torch.zeros(c // 3, 3, height, width)) for height, width, c in shapes]
        except RuntimeError as error:
            raise CheckpointError(str(path), expected=promise, got=str(error).splitlines()[0]) from error
        self.size = sum(probe.numel() for probe in probes)

    def forward(self, frames: Frames) -> Tensor:
        """Map images, (B, H, W, 3 k) uint8 per camera with k moments, to (B, size)."""
        moments = [moment for image in frames for moment in image.split(3, dim=-1)]
        return torch.cat([self.module(to_float(moment) * (1.0 / 255.0)).flatten(1) for moment in moments], dim=1)


def load_weights(module: nn.Module, path: Path, prefix: str) -> None:
    """Fill the tensors of `module` from those named `<prefix><name>` in a safetensors file, in place.

    Raises:
        CheckpointError: If the file is missing or damaged, or a name or shape differs.
    """
    if not path.is_file():
        raise CheckpointError(str(path), expected="a safetensors file", got="no such file")
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(str(path), expected="a safetensors file", got=str(error)) from error
    for name, tensor in module.state_dict().items():
        found = stored.get(prefix + name)
        if found is None or found.shape != tensor.shape:
            got = "missing" if found is None else tuple(found.shape)
            fix = "was it written by an encoder of other sizes?"
            raise CheckpointError(f"{path}, '{prefix}{name}'", expected=tuple(tensor.shape), got=got, fix=fix)
        tensor.copy_(found)
