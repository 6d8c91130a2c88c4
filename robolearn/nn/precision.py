"""In which number format networks are evaluated: half the bits where the machine multiplies them faster."""

from functools import cache

import torch


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return a context for convolutions and matrix products on `device` in `float32`, `bfloat16`, or what suits it: `auto`.

    Weights, gradients and sums stay float32. `auto` is bfloat16 where the hardware has instructions for it, which halves
    the time of an encoder or better; emulated, it would be slower than float32.
    """
    reduced = precision == "bfloat16" or (precision == "auto" and has_bfloat16(device.type))
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


@cache
def has_bfloat16(device_type: str) -> bool:
    """Return whether the hardware multiplies bfloat16 natively."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return device_type == "cpu" and bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def compute_dtype(device: torch.device) -> torch.dtype:
    """Return the format of convolutions on `device` in the present context."""
    enabled = torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if enabled else torch.float32
