"""Where the encoded images of a batch come from: the encoder itself, or replay's cache of a frozen one."""

import zlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from robolearn.agents.sac.config import EncoderConfig
from robolearn.agents.sac.layout import Layout, Tensors, to_tensors
from robolearn.agents.sac.networks import ImageEncoder
from robolearn.core.learning import DerivedColumn
from robolearn.core.types import Array, Batch
from robolearn.nn.augment import content_shifts, draw_shifts, shift_images
from robolearn.nn.encoders import Frames

FEATURES = "features"
BLOCK = 16
"""Images encoded at once for the cache: a fixed size makes a row's features independent of its company."""


class Encoding(Protocol):
    """Gives the encoded images of a batch; None where the agent has no cameras."""

    observed: tuple[str, ...]
    """Observation keys to gather from replay."""

    def derived(self) -> tuple[DerivedColumn, ...]:
        """Return the columns that replay should cache."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the batch columns beside `obs/` and `next_obs/` that are read."""
        ...

    def learned(self) -> list[nn.Parameter]:
        """Return the parameters that RL trains."""
        ...

    def now(self, batch: Tensors) -> Tensor | None:
        """Return (B, Z) of the current images, with gradients."""
        ...

    def later(self, batch: Tensors) -> Tensor | None:
        """Return (B, Z) of the next images, without gradients."""
        ...

    def settle(self) -> None:
        """Take note that the encoder's weights have changed otherwise than by RL."""
        ...


class Blind:
    """The encoding of an agent without cameras."""

    def __init__(self, layout: Layout) -> None:
        self.observed = layout.keys

    def derived(self) -> tuple[DerivedColumn, ...]:
        """Return nothing to cache."""
        return ()

    def names(self) -> tuple[str, ...]:
        """Return no further columns."""
        return ()

    def learned(self) -> list[nn.Parameter]:
        """Return no parameters."""
        return []

    def now(self, batch: Tensors) -> None:
        """Return None."""

    def later(self, batch: Tensors) -> None:
        """Return None."""

    def settle(self) -> None:
        """Do nothing."""


class EndToEnd:
    """Encode randomly shifted images of the batch; the encoder learns from whoever uses the result."""

    def __init__(self, encoder: ImageEncoder, layout: Layout, shift: int, generator: torch.Generator) -> None:
        self.observed = layout.keys
        self._encoder = encoder
        self._layout = layout
        self._shift = shift
        self._generator = generator

    def derived(self) -> tuple[DerivedColumn, ...]:
        """Return nothing to cache."""
        return ()

    def names(self) -> tuple[str, ...]:
        """Return no further columns."""
        return ()

    def learned(self) -> list[nn.Parameter]:
        """Return all of the encoder's parameters."""
        return list(self._encoder.parameters())

    def now(self, batch: Tensors) -> Tensor:
        """Return (B, Z) of the shifted current images, with gradients."""
        return self._encoder(self.shifted(batch, "obs/"))

    @torch.no_grad()
    def later(self, batch: Tensors) -> Tensor:
        """Return (B, Z) of the shifted next images, by the same (online) encoder, without gradients."""
        return self._encoder(self.shifted(batch, "next_obs/"))

    def settle(self) -> None:
        """Do nothing: nothing is cached."""

    def shifted(self, batch: Tensors, prefix: str) -> Frames:
        """Return the images under `prefix`, every one shifted on its own."""
        return [
            shift_images(image, draw_shifts(image.shape[0], self._shift, self._generator), self._shift)
            for image in self._layout.frames(batch, prefix)
        ]


class Frozen:
    """Take the output of a fixed first part of the encoder from replay's cache; the rest, if any, learns."""

    def __init__(self, encoder: ImageEncoder, layout: Layout, cfg: EncoderConfig) -> None:
        self.observed = layout.spec.vector_keys
        whole = cfg.freeze == "all"
        self._fixed: nn.Module = encoder if whole else encoder.trunk
        self._learned: nn.Module = nn.Identity() if whole else encoder.bottleneck
        self._size = encoder.size if whole else encoder.trunk_size
        self._layout = layout
        self._device = encoder.bottleneck.linear.weight.device
        self._cfg = cfg
        self.version = 0
        self.settle()

    def derived(self) -> tuple[DerivedColumn, ...]:
        """Return the features of the fixed part, several shifted copies a frame; its version follows the weights."""
        return (
            DerivedColumn(
                name=FEATURES,
                fn=self.encode_rows,
                inputs=tuple(f"obs/{key}" for key in self._layout.spec.pixel_keys),
                shape=(self._size,),
                version=self.version,
                copies=self._cfg.copies,
            ),
        )

    def names(self) -> tuple[str, ...]:
        """Return the cached columns."""
        return (f"derived/{FEATURES}", f"next_derived/{FEATURES}")

    def learned(self) -> list[nn.Parameter]:
        """Return the parameters behind the cache."""
        return list(self._learned.parameters())

    def now(self, batch: Tensors) -> Tensor:
        """Return (B, Z) from the cached current features."""
        return self._learned(batch[f"derived/{FEATURES}"])

    @torch.no_grad()
    def later(self, batch: Tensors) -> Tensor:
        """Return (B, Z) from the cached next features."""
        return self._learned(batch[f"next_derived/{FEATURES}"])

    def settle(self) -> None:
        """Give the cache the version that belongs to the present weights: a checksum of them."""
        checksum = 0
        for tensor in self._fixed.state_dict().values():
            checksum = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), checksum)
        self.version = checksum

    @torch.no_grad()
    def encode_rows(self, columns: Batch) -> Array:
        """Return (N, copies, size) float32 features of shifted frames; a row's result depends on that row alone."""
        names = tuple(f"obs/{key}" for key in self._layout.spec.pixel_keys)
        tensors = to_tensors(columns, names, self._device)
        variants = [self._variants(tensors[name]) for name in names]
        return self._encode_blocks(variants).view(-1, self._cfg.copies, self._size).cpu().numpy()

    def _variants(self, images: Tensor) -> Tensor:
        """Return (N * copies, H, W, 3): the shifted copies of each image, one after another."""
        pad, copies = self._cfg.shift, self._cfg.copies
        offsets = [content_shifts(images, pad, self.version + copy) for copy in range(copies)]
        return shift_images(images.repeat_interleave(copies, dim=0), torch.stack(offsets, dim=1).flatten(0, 1), pad)

    def _encode_blocks(self, frames: Sequence[Tensor]) -> Tensor:
        rows = frames[0].shape[0]
        room = -rows % BLOCK
        full = [torch.cat([image, image.new_zeros(room, *image.shape[1:])]) for image in frames]
        blocks = [self._fixed([image[start : start + BLOCK] for image in full]) for start in range(0, rows, BLOCK)]
        return torch.cat(blocks)[:rows]
