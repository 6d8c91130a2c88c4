"""The robot server: one thread that hears clients, keeps arms safe, and publishes what they do, at a fixed rate."""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, assert_never

import numpy as np

from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, RobolearnError, WireError
from robolearn.core.protocols import CameraDriver, Clock
from robolearn.hardware.bridge.desk import ASKED, ArmDesk, DeskConfig
from robolearn.hardware.cameras.client import RemoteCameraConfig
from robolearn.hardware.cameras.tap import CameraTap
from robolearn.safety import SupervisedRobot
from robolearn.wire.codec import Decoder, encode
from robolearn.wire.messages import (
    PROTOCOL,
    Acquire,
    Begin,
    CameraAddress,
    ClearFaults,
    Command,
    Done,
    FromClient,
    FromServer,
    Granted,
    Hello,
    Ping,
    Pong,
    Refused,
    Release,
    Request,
    Reset,
    States,
    Stop,
    Welcome,
)
from robolearn.wire.sockets import SecurityConfig, Sockets, bound_to, received, sent, wait_for_any

MOST = 256
"""Messages that are taken in one tick; a flood must not stop the clock."""
SHORTEST_WAIT_S = 1e-3
"""A socket can be waited for by the ms only."""
_log = logging.getLogger(__name__)


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


class Scene(Protocol):
    """The surroundings of a twin: they are simulated, and can be set up anew."""

    def begin(self, seed: int, desks: Mapping[str, ArmDesk]) -> None:
        """Start to set up the episode of a seed."""
        ...

    def ready(self) -> bool:
        """Go on with setting up; return whether all is as it should be."""
        ...

    def advance(self) -> None:
        """Simulate what one tick of the server takes."""
        ...

    def success(self) -> bool:
        """Return whether the task is solved now."""
        ...


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
    """

    def __init__(
        self,
        arms: Mapping[str, SupervisedRobot],
        clock: Clock,
        cfg: ServerConfig,
        scene: Scene | None = None,
        cameras: Mapping[str, CameraDriver] | None = None,
        elsewhere: Mapping[str, RemoteCameraConfig] | None = None,
    ) -> None:
        self.session = secrets.randbits(62)
        self._clock, self._cfg, self._scene = clock, cfg, scene
        self._sockets = Sockets(cfg.security)
        try:
            self._hear, self._tell = self._sockets.answer(cfg.commands), self._sockets.publish(cfg.states)
            self._taps = {
                name: CameraTap(camera, clock, self._sockets, cfg.cameras) for name, camera in (cameras or {}).items()
            }
        except ConfigError:
            self._sockets.close()
            raise
        self._cameras = {name: _address(cfg) for name, cfg in (elsewhere or {}).items()}
        self._cameras |= {name: tap.address for name, tap in self._taps.items()}
        self._desks = {name: ArmDesk(robot, clock, self.session, cfg.desk) for name, robot in arms.items()}
        self._drivers = ExitStack()
        for driver in (*arms.values(), *(cameras or {}).values()):
            self._drivers.enter_context(driver)
        self._decode: Decoder[FromClient] = Decoder(FromClient, "message from a client")
        self._names: dict[bytes, str] = {}
        self._waiting: dict[str, tuple[bytes, int]] = {}
        """What a reset of an arm, or a begin (no arm), is to be answered to."""
        self._seq = self._episode = self.missed = self.damaged = 0

    @property
    def endpoints(self) -> tuple[str, str]:
        """Return where commands go and where states come from, with the ports that were taken."""
        return bound_to(self._hear), bound_to(self._tell)

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
        for desk in self._desks.values():
            desk.tick()
        if self._scene is not None:
            self._scene.advance()
        self._answer_waiting()
        self._publish()
        for tap in self._taps.values():
            tap.look()

    def close(self) -> None:
        """Stop all arms and close all sockets; may be called twice."""
        self._drivers.close()
        self._sockets.close()

    def _attend(self, seconds: float) -> None:
        """Serve clients for so long; who commands gets to know at once what has become of it."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > SHORTEST_WAIT_S:
            wait_for_any([self._hear], left_s - SHORTEST_WAIT_S)
            if self._hear_all():
                self._publish()
        time.sleep(max(end_s - time.monotonic(), 0.0))

    def _hear_all(self) -> bool:
        """Take what clients have sent; return whether there were commands."""
        heard: list[tuple[bytes, FromClient]] = []
        for _ in range(MOST):
            frames = received(self._hear)
            if frames is None:
                break
            try:
                if len(frames) != 2:
                    raise WireError("message from a client", expected="one frame", got=f"{len(frames) - 1}")
                heard.append((frames[0], self._decode(frames[1])))
            except WireError as error:
                self.damaged += 1
                if self.damaged & (self.damaged - 1) == 0:  # 1st, 2nd, 4th, 8th ...: a flood must not fill the log
                    _log.warning("%s (%d so far)", error, self.damaged)
        heard.sort(key=lambda item: not isinstance(item[1], Stop))
        for client, message in heard:
            self._take(client, message)
        return any(isinstance(message, Command) for _, message in heard)

    def _take(self, client: bytes, message: FromClient) -> None:
        for desk in self._desks.values():
            desk.heard(client)
        if isinstance(message, Command):
            if message.arm in self._desks:
                self._desks[message.arm].command(client, message)
            return
        try:
            answer = self._serve(client, message)
        except RobolearnError as error:
            answer = Refused(id=message.id, reason=type(error).__name__, detail=str(error))
        if answer is not None:
            self._send(client, answer)

    def _serve(self, client: bytes, message: Request) -> FromServer | None:
        """Return the answer to a request; None if it comes later."""
        match message:
            case Hello():
                if message.protocol != PROTOCOL:
                    fix = "update the older side"
                    raise WireError("protocol", expected=f"version {PROTOCOL}", got=message.protocol, fix=fix)
                self._names[client] = message.client
                while len(self._names) > MOST:
                    self._names.pop(next(iter(self._names)))
                arms = {name: desk.robot.spec for name, desk in self._desks.items()}
                return Welcome(
                    id=message.id,
                    protocol=PROTOCOL,
                    session=self.session,
                    period_s=self._clock.period_s,
                    arms=arms,
                    cameras=self._cameras,
                    has_scene=self._scene is not None,
                )
            case Ping():
                return Pong(id=message.id, now_ns=self._clock.now_ns(), clock_id=self._clock.clock_id)
            case Stop():
                self._desk(message.arm).stop(ASKED)
                return Done(id=message.id)
            case Begin():
                self._begin(client, message)
                return None
            case Acquire() | Release() | Reset() | ClearFaults():
                return self._serve_holder(client, message)
            case _:
                raise WireError("request", expected="one that a server understands", got=type(message).__name__)

    def _serve_holder(self, client: bytes, message: Acquire | Release | Reset | ClearFaults) -> FromServer | None:
        self._require_session(message.session)
        desk = self._desk(message.arm)
        if isinstance(message, Acquire):
            return Granted(id=message.id, lease=desk.acquire(client, self._names.get(client, "unnamed")))
        desk.require(client, message.lease)
        match message:
            case Release():
                desk.release(client, message.lease)
            case Reset():
                desk.reset(None if message.q is None else np.array(message.q))
                if desk.busy:
                    self._waiting[message.arm] = client, message.id
                    return None
            case ClearFaults():
                desk.clear_faults()
            case _:
                assert_never(message)
        return Done(id=message.id)

    def _begin(self, client: bytes, message: Begin) -> None:
        self._require_session(message.session)
        if self._scene is None:
            raise WireError("begin", expected="a server with a scene, a twin", got="a robot: set the scene up by hand")
        self._scene.begin(message.seed, self._desks)
        self._waiting[""] = client, message.id

    def _answer_waiting(self) -> None:
        for arm, (client, request) in list(self._waiting.items()):
            if arm == "":
                if self._scene is None or not self._scene.ready():
                    continue
                self._episode += 1
                self._send(client, Done(id=request))
            else:
                desk = self._desks[arm]
                if desk.busy:
                    continue
                why = desk.stopped_by
                detail = f"the reset was ended: {why}"
                self._send(client, Refused(id=request, reason=why, detail=detail) if why else Done(id=request))
            del self._waiting[arm]

    def _publish(self) -> None:
        self._seq += 1
        message = States(
            session=self.session,
            seq=self._seq,
            clock_id=self._clock.clock_id,
            arms={name: desk.state() for name, desk in self._desks.items()},
            episode=self._episode,
            success=self._scene is not None and self._scene.success(),
            missed=self.missed,
        )
        sent(self._tell, encode(message))

    def _send(self, client: bytes, answer: FromServer) -> None:
        if not sent(self._hear, client, encode(answer)):
            _log.warning("a client does not take its answers: one was lost")

    def _require_session(self, session: int) -> None:
        if session != self.session:
            fix = "say hello again"
            raise WireError("session", expected="that of this server", got="that of an earlier one", fix=fix)

    def _desk(self, arm: str) -> ArmDesk:
        if arm not in self._desks:
            raise WireError("arm", expected=f"one of {sorted(self._desks)}", got=f"'{arm}'")
        return self._desks[arm]


def _address(cfg: RemoteCameraConfig) -> CameraAddress:
    return CameraAddress(endpoint=cfg.endpoint, height=cfg.height, width=cfg.width, rate_hz=cfg.rate_hz)
