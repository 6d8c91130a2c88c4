"""The robot server: one thread that hears clients, keeps arms safe, and publishes what they do, at a fixed rate."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError
from robolearn.core.protocols import CameraDriver, Clock
from robolearn.hardware.bridge.desk import DeskConfig
from robolearn.hardware.bridge.reception import Answer, Reception, Scene
from robolearn.hardware.cameras.tap import CameraTap
from robolearn.safety import SupervisedRobot
from robolearn.wire.codec import encode
from robolearn.wire.messages import CameraAddress
from robolearn.wire.sockets import SecurityConfig, Sockets, bound_to, received, sent, wait_for_any

MOST = 256
"""Messages that are taken at a time; a flood must not stop the clock."""


@dataclass(kw_only=True, slots=True)
class ServerConfig:
    """Where a server is reached, and how fast it runs."""

    commands: str = "tcp://127.0.0.1:5650"
    """Where clients ask and command; a port of `*` takes any that is free."""
    states: str = "tcp://127.0.0.1:5651"
    """Where states are published."""
    cameras: str = "tcp://127.0.0.1:*"
    """Where a twin's cameras are published, each on a port of its own that clients are told."""
    rate_hz: float = 100.0
    """Of states, watchdogs and resets."""
    desk: DeskConfig = field(default_factory=DeskConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        if not 1.0 <= self.rate_hz <= 2_000.0:
            raise ConfigError("server.rate_hz", expected="1 to 2000 Hz", got=self.rate_hz)


@dataclass(kw_only=True, slots=True)
class CameraAddressConfig:
    """Where a camera server publishes, and how its pictures are."""

    endpoint: str = "tcp://127.0.0.1:5670"
    height: int = 84
    width: int = 84
    rate_hz: float = 30.0

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.rate_hz <= 0.0:
            raise ConfigError("cameras", expected="a size in pixels and a rate above 0 Hz", got=self)


class RobotServer:
    """Owns some arms.

    Args:
        arms: Supervised drivers by name; entered here, exited by `close`.
        clock: That of the supervisors.
        cfg: Addresses, rate and patience.
        scene: Of a twin.
        cameras: Of a twin, by name; entered and exited as the arms.
        elsewhere: Cameras with servers of their own, by name, for clients to be told.

    Raises:
        ConfigError: If an address cannot be bound to.
        DriverError: If a driver cannot be entered; those before it are exited again.
    """

    def __init__(
        self,
        arms: Mapping[str, SupervisedRobot],
        clock: Clock,
        cfg: ServerConfig,
        scene: Scene | None = None,
        cameras: Mapping[str, CameraDriver] | None = None,
        elsewhere: Mapping[str, CameraAddressConfig] | None = None,
    ) -> None:
        self._cfg = cfg
        self._sockets, self._drivers = Sockets(cfg.security), ExitStack()
        self.missed = 0
        try:
            self._hear, self._tell = self._sockets.answer(cfg.commands), self._sockets.publish(cfg.states)
            taps = {
                name: CameraTap(camera, clock, self._sockets, cfg.cameras) for name, camera in (cameras or {}).items()
            }
            for driver in (*arms.values(), *(cameras or {}).values()):
                self._drivers.enter_context(driver)
        except BaseException:
            self.close()
            raise
        self._taps = list(taps.values())
        addresses = {name: _address(camera) for name, camera in (elsewhere or {}).items()}
        addresses |= {name: tap.address for name, tap in taps.items()}
        self._reception = Reception(arms, clock, cfg.desk, scene, addresses)

    @property
    def endpoints(self) -> tuple[str, str]:
        """Return where commands go and where states come from, with the ports that were taken."""
        return bound_to(self._hear), bound_to(self._tell)

    @property
    def session(self) -> int:
        """Return the number that commands must bear."""
        return self._reception.session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, stop: Callable[[], bool]) -> None:
        """Tick until `stop` says so; between two ticks, clients are heard and answered at once."""
        pace = WallClock(1.0 / self._cfg.rate_hz, sleep=self._attend)
        while not stop():
            self.tick()
            if pace.wait() > 0.0:
                self.missed += 1

    def tick(self) -> None:
        """Hear everybody, do what time brings, and publish."""
        self._hear_all()
        self._answer(self._reception.tick())
        self._publish()
        for tap in self._taps:
            tap.look()

    def close(self) -> None:
        """Stop all arms and close all sockets, whatever drivers say to that; may be called twice."""
        try:
            self._drivers.close()
        finally:
            self._sockets.close()

    def _attend(self, seconds: float) -> None:
        """Serve clients for so long; who commands gets to know at once what has become of it."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0.0:
            wait_for_any([self._hear], left_s)
            if self._hear_all():
                self._publish()

    def _hear_all(self) -> bool:
        """Take what clients have sent; return whether there were commands."""
        messages: list[list[bytes]] = []
        while len(messages) < MOST and (frames := received(self._hear)) is not None:
            messages.append(frames)
        answers, commanded = self._reception.take(messages)
        self._answer(answers)
        return commanded

    def _answer(self, answers: Sequence[Answer]) -> None:
        for client, answer in answers:
            sent(self._hear, client, encode(answer))  # lost to a client that has gone or does not take its answers

    def _publish(self) -> None:
        sent(self._tell, encode(self._reception.states(self.missed)))


def _address(cfg: CameraAddressConfig) -> CameraAddress:
    return CameraAddress(endpoint=cfg.endpoint, height=cfg.height, width=cfg.width, rate_hz=cfg.rate_hz)
