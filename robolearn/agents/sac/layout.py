"""Which observations an agent sees, and how they lie in its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from robolearn.core.errors import ConfigError, SpecError
from robolearn.core.specs import EnvSpec
from robolearn.core.types import PIXELS, PROPRIO, STATE, Array, Batch, Obs

Tensors = dict[str, Tensor]

_PREFIXES = {"images": (PIXELS, PROPRIO), "state": (PROPRIO, STATE), "both": (PIXELS, PROPRIO, STATE)}


@dataclass(kw_only=True, slots=True, frozen=True)
class Layout:
    """The observations of an env that an agent uses."""

    spec: EnvSpec
    """The env's spec, reduced to those observations."""

    @classmethod
    def choose(cls, spec: EnvSpec, observe: str) -> "Layout":
        """Pick observations by `SacConfig.observe`.

        Raises:
            ConfigError: If the env has none of them.
        """
        kind = ("images" if spec.pixel_keys else "state") if observe == "auto" else observe
        chosen = {key: value for key, value in spec.obs.items() if key.startswith(_PREFIXES[kind])}
        images = any(key.startswith(PIXELS) for key in chosen)
        if not chosen or (kind == "images" and not images):
            known = ", ".join(sorted(spec.obs))
            raise ConfigError("agent.observe", expected=f"a kind that the env has: {known}", got=observe)
        return cls(spec=EnvSpec(obs=chosen, action=spec.action, rate_hz=spec.rate_hz, max_steps=spec.max_steps))

    @property
    def keys(self) -> tuple[str, ...]:
        """Return all keys used: images, then vectors, each sorted."""
        return (*self.spec.pixel_keys, *self.spec.vector_keys)

    @property
    def image_shapes(self) -> list[tuple[int, int, int]]:
        """Return (H, W, 3 k) of every camera, of which k moments are seen at once."""
        shapes = [self.spec.obs[key].shape for key in self.spec.pixel_keys]
        return [(height, width, channels) for height, width, channels in shapes]

    @property
    def action_size(self) -> int:
        """Return A."""
        return self.spec.action.size

    def validate(self, obs: Obs) -> None:
        """Check a batched observation.

        Raises:
            SpecError: If a key is missing, or a shape or dtype differs, or there is no batch dimension.
        """
        self.spec.validate_obs(obs)
        for key, expected in self.spec.obs.items():
            if obs[key].ndim != len(expected.shape) + 1:
                got = f"shape {obs[key].shape}"
                raise SpecError(f"obs key '{key}'", expected=f"shape (B, *{expected.shape})", got=got)

    def frames(self, tensors: Mapping[str, Tensor], prefix: str) -> list[Tensor]:
        """Return the images (B, H, W, 3 k) uint8, one tensor per camera with k moments."""
        return [tensors[prefix + key] for key in self.spec.pixel_keys]

    def vector(self, tensors: Mapping[str, Tensor], prefix: str) -> Tensor:
        """Return all vectors side by side, (B, V) float32; V is 0 where there are none."""
        parts = [tensors[prefix + key].flatten(1) for key in self.spec.vector_keys]
        if not parts:
            some = tensors[prefix + self.keys[0]]
            return torch.zeros(some.shape[0], 0, device=some.device)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def to_tensors(arrays: Mapping[str, Array] | Batch, keys: tuple[str, ...], device: torch.device) -> Tensors:
    """Return the named arrays as tensors on `device`, without a copy on the CPU.

    Raises:
        SpecError: If a name is missing.
    """
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise SpecError("batch", expected=f"columns {', '.join(keys)}", got=f"none named {', '.join(missing)}")
    return {key: torch.from_numpy(np.ascontiguousarray(arrays[key])).to(device) for key in keys}
