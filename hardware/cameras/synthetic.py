"""A camera that is not there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.hardware.cameras.source import CameraConfig, Metronome, PictureSource

BITS = 32
"""Pixels of the first row that say the picture's number, lowest bit first."""


@dataclass(kw_only=True, slots=True)
class SyntheticConfig(CameraConfig):
    """Pictures that are computed."""

    def __post_init__(self) -> None:
        CameraConfig.__post_init__(self)
        if self.width < BITS:
            raise ConfigError("camera.width", expected=f"{BITS} or more", got=self.width)


class SyntheticCamera(PictureSource):
    """A bar that moves over noise, and a number that counts the pictures, coded in the first pixels.

    Args:
        cfg: Size and rate.
    """

    def __init__(self, cfg: SyntheticConfig) -> None:
        super().__init__(cfg)
        self._ground = np.random.default_rng(0).integers(0, 255, (cfg.height, cfg.width, 3), np.uint8)
        self._count, self._beat = 0, Metronome(cfg.rate_hz)

    @override
    def open(self) -> None:
        """Do nothing."""

    @override
    def read(self) -> tuple[NDArray[np.uint8], int]:
        self._beat.wait()
        picture = self._ground.copy()
        at = self._count * 4 % self._spec.width
        picture[:, at : at + 8] = 255
        bits = [255 * (self._count >> bit & 1) for bit in range(BITS)]
        picture[0, :BITS] = np.array(bits, np.uint8)[:, None]
        self._count += 1
        return picture, self._stamp_ns()

    @override
    def close(self) -> None:
        """Do nothing."""
