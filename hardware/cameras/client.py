"""A camera behind a camera server, as a driver like any other."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from robolearn.core.errors import ConfigError, StaleFrameError, WireError, nearest
from robolearn.core.robot import CameraSpec, Frame
from robolearn.hardware.bridge.client import BridgeClient
from robolearn.wire.codec import Decoder
from robolearn.wire.messages import FrameInfo
from robolearn.wire.sockets import SecurityConfig, Sockets, take_newest

FUTURE_S = 0.05
"""By which a picture may seem to be ahead of this machine's clock: no two clocks are quite the same."""


@dataclass(kw_only=True, slots=True)
class RemoteCameraConfig:
    """Where a camera is published, and what is expected of it."""

    name: str = "front"
    endpoint: str = "tcp://127.0.0.1:5670"
    height: int = 84
    width: int = 84
    rate_hz: float = 30.0
    first_s: float = 5.0
    """Patience for the first picture."""
    tolerate: list[str] = field(default_factory=list[str])
    """Faults that are not to matter, such as `slow`."""
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        self.tolerate = list(self.tolerate)
        if min(self.height, self.width) < 1 or self.first_s <= 0.0:
            raise ConfigError("camera", expected="a size in pixels and a patience above 0 s", got=self)


class RemoteCamera:
    """The newest picture of a camera server; never an old one without saying so.

    Args:
        cfg: Where it is.
        client: Of the robot server on the camera's machine, if there is one: knows by how much the clock there is ahead of
            this one's, and, where a server that was restarted has the camera now.
        now_ns: This machine's monotonic time.
    """

    def __init__(
        self, cfg: RemoteCameraConfig, client: BridgeClient | None = None, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._cfg, self._client, self._now_ns = cfg, client, now_ns
        self._endpoint = cfg.endpoint
        self._spec = CameraSpec(name=cfg.name, height=cfg.height, width=cfg.width, rate_hz=cfg.rate_hz)
        self._decode: Decoder[FrameInfo] = Decoder(FrameInfo, f"picture of camera '{cfg.name}'")
        self._sockets: Sockets | None = None
        self._last: Frame | None = None
        self._faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, client: BridgeClient, name: str) -> Self:
        """Return a camera of a robot server itself.

        Raises:
            ConfigError: If it has no such camera.
        """
        known = client.welcome.cameras
        if name not in known:
            raise ConfigError("camera", expected="a camera of the server", got=f"'{name}'", fix=nearest(name, known))
        at = known[name]
        cfg = RemoteCameraConfig(
            name=name,
            endpoint=at.endpoint,
            height=at.height,
            width=at.width,
            rate_hz=at.rate_hz,
            security=client.cfg.security,
        )
        return cls(cfg, client)

    @property
    def spec(self) -> CameraSpec:
        """Return what the camera delivers; works unconnected."""
        return self._spec

    def __enter__(self) -> Self:
        self._sockets = Sockets(self._cfg.security)
        self._listen, self._last = self._sockets.newest(self._endpoint), None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None

    def latest(self, max_age_s: float) -> Frame:
        """Return the newest picture; the caller owns its array. Waits for the first one of a server only.

        Raises:
            StaleFrameError: If it is older than `max_age_s`, or from the future, there never was one, or its server finds
                the camera frozen or slow.
            WireError: If what came is no picture of the promised size.
        """
        self._follow()
        self._take(wait=self._last is None)
        frame = self._last
        where = f"camera '{self._cfg.name}'"
        if frame is None:
            fix = f"is its server running at {self._endpoint}?"
            raise StaleFrameError(where, expected=f"a picture in {self._cfg.first_s} s", got="none", fix=fix)
        age_s = (self._now_ns() - frame.stamp_ns) * 1e-9
        if age_s > max_age_s:
            raise StaleFrameError(
                where, expected=f"a picture of the last {max_age_s} s", got=f"one of {age_s:.2f} s ago"
            )
        if age_s < -FUTURE_S:
            fix = "the clocks of both machines disagree: connect anew, which compares them"
            raise StaleFrameError(where, expected="a picture of the past", got=f"one {-age_s:.2f} s ahead", fix=fix)
        found = [name for name in self._faults if name not in self._cfg.tolerate]
        if found:
            raise StaleFrameError(where, expected="a camera that works", got=", ".join(found), fix="look at the camera")
        return Frame(pixels=frame.pixels.copy(), stamp_ns=frame.stamp_ns, clock_id=frame.clock_id, seq=frame.seq)

    def _follow(self) -> None:
        """Listen elsewhere if the robot server, since it was restarted, has the camera at another address."""
        at = None if self._client is None else self._client.welcome.cameras.get(self._cfg.name)
        if at is None or at.endpoint == self._endpoint or self._sockets is None:
            return
        self._listen.close()
        self._endpoint, self._last = at.endpoint, None
        self._listen = self._sockets.newest(at.endpoint)

    def _take(self, *, wait: bool) -> None:
        if wait:
            self._listen.poll(round(1e3 * self._cfg.first_s))
        newest = take_newest(self._listen)
        if newest is None:
            return
        info, arrays = self._decode.with_arrays(newest)
        pixels, size = arrays.get("pixels"), (self._cfg.height, self._cfg.width, 3)
        if pixels is None or pixels.dtype != np.uint8 or pixels.shape != size or info.camera != self._cfg.name:
            got = f"'{info.camera}' with {None if pixels is None else (pixels.dtype.name, pixels.shape)}"
            fix = "set height and width on both sides alike"
            raise WireError(f"camera '{self._cfg.name}'", expected=f"'{self._cfg.name}' uint8 {size}", got=got, fix=fix)
        self._faults = tuple(info.faults)
        stamp_ns = info.stamp_ns - (0 if self._client is None else self._client.offset_ns)
        self._last = Frame(pixels=np.asarray(pixels, np.uint8), stamp_ns=stamp_ns, clock_id=info.clock_id, seq=info.seq)
