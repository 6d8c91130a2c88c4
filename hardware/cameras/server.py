"""The camera server: a process that takes pictures, cuts and shrinks them at once, and publishes each with its time."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, DriverError
from robolearn.hardware.cameras.source import PictureSource
from robolearn.wire.codec import pack
from robolearn.wire.messages import FrameInfo
from robolearn.wire.sockets import SecurityConfig, Sockets, bound_to

FROZEN, SLOW = "frozen", "slow"
_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class CameraServerConfig:
    """Where pictures are published, and what of them."""

    endpoint: str = "tcp://127.0.0.1:5670"
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """(top, left, height, width) as shares of the picture."""
    height: int = 0
    """Of what is published, pixels; 0 for what the crop leaves."""
    width: int = 0
    frozen_after: int = 15
    """Pictures in a row that are the same to the last bit, after which the camera is said to be frozen."""
    slow_below: float = 0.5
    """Share of its rate below which a camera is said to be slow."""
    retry_s: float = 1.0
    """Between two tries to open a camera that has gone."""
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        self.crop = (float(self.crop[0]), float(self.crop[1]), float(self.crop[2]), float(self.crop[3]))
        top, left, height, width = self.crop
        if min(top, left) < 0.0 or min(height, width) <= 0.0 or top + height > 1.0 or left + width > 1.0:
            raise ConfigError("camera.crop", expected="a part of the picture, in shares of it", got=self.crop)
        if min(self.height, self.width) < 0 or (self.height > 0) != (self.width > 0):
            raise ConfigError("camera size", expected="both above 0, or both 0", got=(self.height, self.width))


class CameraServer:
    """Publishes one camera.

    Args:
        source: What takes the pictures; opened here.
        cfg: What is published, and where.

    Raises:
        ConfigError: If the address cannot be bound to.
    """

    def __init__(self, source: PictureSource, cfg: CameraServerConfig) -> None:
        self._source, self._cfg = source, cfg
        self._sockets = Sockets(cfg.security)
        self._tell = self._sockets.publish(cfg.endpoint)
        self._watch = PictureWatch(source.spec.rate_hz, cfg)
        self._seq = 0

    @property
    def endpoint(self) -> str:
        """Return where pictures come from."""
        return bound_to(self._tell)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, stop: Callable[[], bool]) -> None:
        """Publish until `stop` says so; a camera that has gone is tried again and again, with nothing published meanwhile."""
        while not stop():
            try:
                self.step()
            except DriverError as error:
                _log.warning("%s", error)
                self._source.close()
                time.sleep(self._cfg.retry_s)

    def step(self) -> None:
        """Publish the next picture.

        Raises:
            DriverError: If there is none.
        """
        picture, stamp_ns = self._source.read()
        part = cut(picture, self._cfg)
        info = FrameInfo(
            camera=self._source.spec.name,
            seq=self._seq,
            stamp_ns=stamp_ns,
            clock_id="monotonic",
            faults=self._watch.faults(part, stamp_ns),
        )
        self._seq += 1
        self._tell.send(pack(info, {"pixels": part}), copy=False)

    def close(self) -> None:
        """Let go of the camera and the address; may be called twice."""
        self._source.close()
        self._sockets.close()


class PictureWatch:
    """Finds cameras that deliver the same picture for ever, or too few."""

    def __init__(self, rate_hz: float, cfg: CameraServerConfig) -> None:
        self._period_ns, self._cfg = 1e9 / rate_hz, cfg
        self._last: NDArray[np.uint8] | None = None
        self._same = 0
        self._then_ns: int | None = None
        self._usual_ns = self._period_ns

    def faults(self, picture: NDArray[np.uint8], stamp_ns: int) -> list[str]:
        """Return what is wrong with the camera that took this picture then, ns."""
        self._same = self._same + 1 if self._last is not None and np.array_equal(picture, self._last) else 1
        self._last = picture.copy()  # a source may use its memory again
        if self._then_ns is not None:
            self._usual_ns += 0.2 * (stamp_ns - self._then_ns - self._usual_ns)
        self._then_ns = stamp_ns
        slow = self._usual_ns * self._cfg.slow_below > self._period_ns
        return [name for name, found in ((FROZEN, self._same >= self._cfg.frozen_after), (SLOW, slow)) if found]


def cut(picture: NDArray[np.uint8], cfg: CameraServerConfig) -> NDArray[np.uint8]:
    """Return the part of a picture (H, W, 3) that is published, at its size."""
    top, left, height, width = cfg.crop
    rows, columns = picture.shape[:2]
    first, start = round(top * rows), round(left * columns)
    part = picture[first : first + max(round(height * rows), 1), start : start + max(round(width * columns), 1)]
    if cfg.height and part.shape[:2] != (cfg.height, cfg.width):
        return cv2.resize(part, (cfg.width, cfg.height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return np.ascontiguousarray(part)
