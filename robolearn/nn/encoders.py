"""From camera images to short vectors: convolutional, patch and shallow transformer trunks, and the bottleneck."""

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from robolearn.nn.mlp import orthogonal
from robolearn.nn.precision import autocast, compute_dtype

Frames = Sequence[Tensor]
"""One (B, H, W, 3 k) uint8 tensor per camera, in the order of the encoder's cameras; k moments lie along the channels."""


def to_float(images: Tensor) -> Tensor:
    """Return uint8 (B, H, W, C) as (B, C, H, W) in channels_last, values 0..255: one pass, no transposition.

    The format is that of the context; bfloat16 holds these values exactly.
    """
    return images.to(compute_dtype(images.device)).permute(0, 3, 1, 2)


class Stem(nn.Module):
    """The first convolution of every camera, summed: a convolution over cameras and moments stacked as channels.

    Scaling of 0..255 to +-0.5 is folded into the weights, so images need no pass of arithmetic. Borders are padded
    with black where the stride does not divide the image.
    """

    def __init__(self, cameras: int, channels: int, kernel: int, stride: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        *size, depth = shape
        self._stride = stride
        self._padding = tuple(_padding(length, kernel, stride) for length in size)
        stacked = nn.Conv2d(depth * cameras, channels, kernel)
        orthogonal(stacked)
        self.weight = nn.Parameter(torch.stack(stacked.weight.detach().split(depth, dim=1)))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.shape = (channels, *(_output(n, kernel, stride, _padding(n, kernel, stride)) for n in size))

    def forward(self, frames: Frames) -> Tensor:
        """Map the cameras' images, (B, H, W, 3 k) uint8 each, to (B, channels, H', W')."""
        weight = self.weight.flatten(0, 1) * (1.0 / 255.0)
        kernels = weight.view_as(self.weight).unbind()
        bias: Tensor | None = self.bias - 0.5 * self.weight.sum(dim=(0, 2, 3, 4))
        out: Tensor | None = None
        for image, kernel in zip(frames, kernels, strict=True):
            dense = kernel.contiguous(memory_format=torch.channels_last)
            y = functional.conv2d(to_float(image), dense, bias, self._stride, self._padding)
            out = y if out is None else out + y
            bias = None
        assert out is not None
        return out


class ConvTrunk(nn.Module):
    """A stem and stride-2 convolutions with ReLU; the cameras share all but their part of the stem."""

    def __init__(
        self, cameras: int, shape: tuple[int, int, int], channels: Sequence[int], kernel: int, stride: int
    ) -> None:
        super().__init__()
        self.stem = Stem(cameras, channels[0], kernel, stride, shape)
        self.layers = nn.ModuleList(_convolution(a, b) for a, b in itertools.pairwise(channels))
        self.shape = self.stem.shape
        for layer in channels[1:]:
            self.shape = (layer, *(_output(n, 3, 2, 1) for n in self.shape[1:]))

    def map(self, frames: Frames) -> Tensor:
        """Return the feature map (B, C, H', W')."""
        x = functional.relu(self.stem(frames))
        for layer in self.layers:
            x = functional.relu(layer(x))
        return x

    @property
    def size(self) -> int:
        """Return the length of the output."""
        channels, height, width = self.shape
        return channels * height * width

    def forward(self, frames: Frames) -> Tensor:
        """Map images, (B, H, W, 3 k) uint8 per camera, to (B, size)."""
        return self.map(frames).permute(0, 2, 3, 1).flatten(1)


class VitTrunk(nn.Module):
    """A convolutional trunk whose map becomes tokens of one pre-norm transformer layer.

    Source: the shallow ViT encoder of IBRL, arXiv:2311.02198, appendix.
    """

    def __init__(self, base: ConvTrunk, heads: int = 4) -> None:
        super().__init__()
        self.base = base
        channels, height, width = base.shape
        heads = next(n for n in range(min(heads, channels), 0, -1) if channels % n == 0)
        self.position = nn.Parameter(0.02 * torch.randn(1, height * width, channels))
        self.layer = nn.TransformerEncoderLayer(
            channels, heads, 2 * channels, dropout=0.0, batch_first=True, norm_first=True
        )
        self.size = base.size

    def forward(self, frames: Frames) -> Tensor:
        """Map images, (B, H, W, 3 k) uint8 per camera, to (B, size)."""
        tokens = self.base.map(frames).flatten(2).transpose(1, 2)
        return self.layer(tokens + self.position).flatten(1)


class Bottleneck(nn.Module):
    """A linear map, LayerNorm and tanh: a bounded vector from a long one (arXiv:1910.01741, appendix B)."""

    def __init__(self, inputs: int, outputs: int, precision: str = "float32") -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs)
        self._precision = precision
        orthogonal(self, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs) to (B, outputs) in (-1, 1), float32."""
        with autocast(self._precision, x.device):
            y = self.linear(x)
        return torch.tanh(self.norm(y.float()))


class Trunks(nn.Module):
    """One trunk per shape of images; their outputs lie side by side."""

    def __init__(
        self,
        trunks: Sequence[nn.Module],
        sizes: Sequence[int],
        groups: Sequence[Sequence[int]],
        precision: str = "float32",
    ) -> None:
        """Take trunks, the length of their outputs, and the positions of their cameras among all."""
        super().__init__()
        self._precision = precision
        self.trunks = nn.ModuleList(trunks)
        self.size = sum(sizes)
        self._groups = [list(group) for group in groups]

    def forward(self, frames: Frames) -> Tensor:
        """Map images, (B, H, W, 3 k) uint8 per camera, to (B, size) float32."""
        placed = zip(self.trunks, self._groups, strict=True)
        with autocast(self._precision, frames[0].device):
            parts = [trunk([frames[camera] for camera in group]) for trunk, group in placed]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)).float()


def group_by_shape(shapes: Sequence[tuple[int, int, int]]) -> Mapping[tuple[int, int, int], list[int]]:
    """Return the positions of the cameras with images of each shape, in order of first appearance.

    >>> group_by_shape([(64, 64, 3), (84, 84, 3), (64, 64, 3)])
    {(64, 64, 3): [0, 2], (84, 84, 3): [1]}
    """
    groups: dict[tuple[int, int, int], list[int]] = {}
    for camera, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(camera)
    return groups


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution of stride 2 whose weights lie in channels_last."""
    layer = nn.Conv2d(inputs, outputs, 3, 2, 1)
    orthogonal(layer)
    layer.weight = nn.Parameter(layer.weight.detach().contiguous(memory_format=torch.channels_last))
    return layer


def _padding(length: int, kernel: int, stride: int) -> int:
    """Return the smallest symmetric padding with which windows cover every pixel."""
    windows = max(-(-(length - kernel) // stride), 0) + 1
    return -(-((windows - 1) * stride + kernel - length) // 2)


def _output(length: int, kernel: int, stride: int, padding: int) -> int:
    return (length + 2 * padding - kernel) // stride + 1
