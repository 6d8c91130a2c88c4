"""What takes pictures: one call, one picture, and an error with a name when there is none."""

import abc
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.robot import CameraSpec


@dataclass(kw_only=True, slots=True)
class CameraConfig:
    """Any camera."""

    name: str = "front"
    height: int = 480
    """Of what is taken, pixels; what is published may be a part of it, and smaller."""
    width: int = 640
    rate_hz: float = 30.0
    latency_s: float = 0.0
    """Between a picture's exposure and its arrival here, as measured; it is taken off the stamps."""

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or not 0.1 <= self.rate_hz <= 1_000.0 or not 0.0 <= self.latency_s < 10.0:
            raise ConfigError("camera", expected="a size, a rate and a latency that a camera can have", got=self)


class PictureSource(abc.ABC):
    """A camera as its server sees it; belongs to one process.

    Args:
        cfg: What it is to deliver.
    """

    def __init__(self, cfg: CameraConfig) -> None:
        self._spec = CameraSpec(name=cfg.name, height=cfg.height, width=cfg.width, rate_hz=cfg.rate_hz)
        self._latency_ns = round(cfg.latency_s * 1e9)

    @property
    def spec(self) -> CameraSpec:
        """Return what it delivers; works unopened."""
        return self._spec

    @property
    def where(self) -> str:
        """Return how errors call it."""
        return f"camera '{self._spec.name}'"

    @abc.abstractmethod
    def open(self) -> None:
        """Get ready.

        Raises:
            ConfigError: If its library is missing.
            DriverError: If the device is missing.
        """

    @abc.abstractmethod
    def read(self) -> tuple[NDArray[np.uint8], int]:
        """Wait for the next picture (H, W, 3) RGB, and return it with its time on this machine's monotonic clock, ns.

        Raises:
            DriverError: If there is none.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the device; may be called twice."""

    def _stamp_ns(self) -> int:
        """Return when a picture was exposed that has just come."""
        return time.monotonic_ns() - self._latency_ns

    def _no_picture(self, got: str) -> DriverError:
        return DriverError(self.where, expected="a picture", got=got, fix="is it still there?")


class Metronome:
    """Paces pictures that could come at any speed; a hiccup of more than a second is not caught up with."""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._due_s = time.monotonic()

    def wait(self) -> None:
        """Wait for the next beat."""
        self._due_s = max(self._due_s + self._period_s, time.monotonic() - 1.0)
        time.sleep(max(self._due_s - time.monotonic(), 0.0))
