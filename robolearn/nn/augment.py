"""Random shifts of uint8 images, on the batch and before any conversion to float."""

import torch
from torch import Tensor


def draw_shifts(count: int, pad: int, generator: torch.Generator) -> Tensor:
    """Return (count, 2) int64 offsets (rows, columns) into an image padded by `pad`, uniform in 0..2 `pad`."""
    return torch.randint(0, 2 * pad + 1, (count, 2), generator=generator, device=generator.device)


def shift_images(images: Tensor, offsets: Tensor, pad: int) -> Tensor:
    """Pad by repeating the edge, then crop each image at its own offset; pure copies, dtype unchanged.

    Every row of the result is one stretch of W pixels of the widened images: no index is worked out per pixel.

    Source: arXiv:2004.13649, section 4.1.

    Args:
        images: (B, H, W, C), contiguous.
        offsets: (B, 2) int64 in 0..2 `pad`; `pad` leaves an image where it is.
        pad: Largest shift in pixels.

    Returns:
        (B, H, W, C), contiguous.
    """
    if pad == 0:
        return images
    B, H, W, C = images.shape
    wide = pad_columns(images, pad)
    up_down = torch.arange(H, device=images.device) + offsets[:, :1] - pad
    rows = torch.arange(B, device=images.device).unsqueeze(1) * H + up_down.clamp_(0, H - 1)
    first_pixels = rows * (W + 2 * pad) + offsets[:, 1:]
    stretches = wide.as_strided((B * H * (W + 2 * pad) - W + 1, W * C), (C, 1))
    return stretches.index_select(0, first_pixels.flatten()).view(B, H, W, C)


def pad_columns(images: Tensor, pad: int) -> Tensor:
    """Return (B, H, W + 2 pad, C) with the left and right edge pixels of (B, H, W, C) repeated outwards."""
    B, H, W, C = images.shape
    wide = images.new_empty(B, H, W + 2 * pad, C)
    wide[:, :, pad : pad + W] = images
    wide[:, :, :pad] = images[:, :, :1]
    wide[:, :, pad + W :] = images[:, :, -1:]
    return wide


def content_shifts(images: Tensor, pad: int, salt: int) -> Tensor:
    """Return (B, 2) int64 offsets in 0..2 `pad` that depend only on an image's content and `salt`.

    A cache of augmented images that is computed again, in any order, gets the same shifts again.

    Args:
        images: (B, H, W, C) uint8.
        pad: Largest shift in pixels.
        salt: Tells the variants of one image apart.
    """
    pixels = images.flatten(1)[:, ::7].to(torch.int64)
    places = torch.arange(pixels.shape[1], device=images.device, dtype=torch.int64)
    digest = (pixels * _scramble(places + 1)).sum(1) + _scramble(torch.full_like(places[:1], salt))
    return (torch.stack([_scramble(digest), _scramble(digest + _ODD)], dim=1) >> 33) % (2 * pad + 1)


_ODD = 0x1E3779B97F4A7C15


def _scramble(value: Tensor) -> Tensor:
    """Mix int64 words (multiply and xor-shift, overflow wraps) into non-negative ones."""
    value = (value ^ (value >> 31)) * 0x7FB5D329728EA185
    value = (value ^ (value >> 27)) * 0x1B03738712FAD5C9
    return (value ^ (value >> 33)) & 0x7FFFFFFFFFFFFFFF
