"""Where a robot server's clients are received: what they say is checked, done or refused, and answered; no sockets, no waiting."""

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, assert_never

import numpy as np

from robolearn.core.errors import DriverError, RobolearnError, WireError
from robolearn.core.protocols import Clock
from robolearn.hardware.bridge.desk import STOPPED, ArmDesk, DeskConfig
from robolearn.safety import SupervisedRobot
from robolearn.wire.codec import Decoder
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

MOST_NAMES = 256
"""Clients whose names are remembered; the oldest makes room."""
BEGIN = ""
"""What is waited for that is no reset of an arm."""
Answer = tuple[bytes, FromServer]
"""A client, and what it is told."""
_log = logging.getLogger(__name__)


class Scene(Protocol):
    """The surroundings of a twin: they are simulated, and can be set up anew."""

    def begin(self, seed: int, desks: Mapping[str, ArmDesk]) -> None:
        """Start to set up the episode of a seed, at once.

        Raises:
            RobolearnError: If that cannot be done.
        """
        ...

    def ready(self) -> bool:
        """Go on with setting up; return whether all is as it should be.

        Raises:
            RobolearnError: If it never will be.
        """
        ...

    def advance(self) -> None:
        """Simulate the time since the last call."""
        ...

    def success(self) -> bool:
        """Return whether the task is solved now."""
        ...


class Reception:
    """Everything that a robot server does but hear and speak.

    Args:
        arms: Supervised drivers by name, entered.
        clock: That of the supervisors.
        cfg: Patience.
        scene: Of a twin.
        cameras: Where pictures come from, by name; known once the server has its addresses.
    """

    def __init__(
        self,
        arms: Mapping[str, SupervisedRobot],
        clock: Clock,
        cfg: DeskConfig,
        scene: Scene | None = None,
        cameras: Mapping[str, CameraAddress] | None = None,
    ) -> None:
        self.session = secrets.randbits(62)
        self.damaged = 0
        """Messages that were none."""
        self._clock, self._scene, self._cameras = clock, scene, dict(cameras or {})
        self._desks = {name: ArmDesk(robot, clock, self.session, cfg) for name, robot in arms.items()}
        self._decode: Decoder[FromClient] = Decoder(FromClient, "message from a client")
        self._names: dict[bytes, str] = {}
        self._waiting: dict[str, tuple[bytes, int]] = {}
        """Whom the reset of an arm, or `BEGIN`, is to be answered to."""
        self._seq = self._episode = 0

    def take(self, messages: Sequence[Sequence[bytes]]) -> tuple[list[Answer], bool]:
        """Do what clients have sent, each (client, message); return the answers, and whether there were commands.

        Whoever asks for a stop goes first, and what would have moved the arm before that is refused.
        """
        heard, commanded = self._decoded(messages), False
        stops = {message.arm: at for at, (_, message) in enumerate(heard) if isinstance(message, Stop)}
        answers: list[Answer] = []
        if stops:
            for client, message in heard:
                if isinstance(message, Stop):
                    answers += self._answered(client, message)
            answers += self._arrived()  # whatever a stop has ended, before anything else begins
        for at, (client, message) in enumerate(heard):
            if not isinstance(message, Stop):
                overtaken = bool(stops) and at < _stopped_at(message, stops)
                answers += self._answered(client, message, overtaken=overtaken)
                commanded |= isinstance(message, Command)
        return answers, commanded

    def _answered(self, client: bytes, message: FromClient, *, overtaken: bool = False) -> list[Answer]:
        answer = self._do(client, message, overtaken=overtaken)
        return [] if answer is None else [(client, answer)]

    def _decoded(self, messages: Sequence[Sequence[bytes]]) -> list[tuple[bytes, FromClient]]:
        """Return what is understood, and count what is not."""
        understood: list[tuple[bytes, FromClient]] = []
        for frames in messages:
            try:
                if len(frames) != 2:
                    raise WireError("message from a client", expected="one frame", got=f"{len(frames) - 1}")
                understood.append((frames[0], self._decode(frames[1])))
            except WireError as error:
                self.damaged += 1
                if self.damaged & (self.damaged - 1) == 0:  # 1st, 2nd, 4th, 8th ...: a flood must not fill the log
                    _log.warning("%s (%d so far)", error, self.damaged)
        return understood

    def tick(self) -> list[Answer]:
        """Do what time brings; return answers to what has been done by now."""
        for client, _ in self._waiting.values():
            self._heard(client)  # a client that waits for its answer has nothing to say
        for desk in self._desks.values():
            desk.tick()
        if self._scene is not None:
            self._scene.advance()
        return list(self._arrived())

    def states(self, missed: int) -> States:
        """Return what is published about the arms, with how often the server was late."""
        self._seq += 1
        return States(
            session=self.session,
            seq=self._seq,
            clock_id=self._clock.clock_id,
            arms={name: desk.state() for name, desk in self._desks.items()},
            episode=self._episode,
            success=self._scene is not None and self._scene.success(),
            missed=missed,
            damaged=self.damaged,
        )

    def _heard(self, client: bytes) -> None:
        for desk in self._desks.values():
            desk.heard(client)

    def _do(self, client: bytes, message: FromClient, *, overtaken: bool) -> FromServer | None:
        """Return the answer to a message, if it has one now; one that was overtaken by a stop is refused."""
        self._heard(client)
        if isinstance(message, Command):
            if message.arm in self._desks:
                desk = self._desks[message.arm]
                (desk.overtaken if overtaken else desk.command)(client, message)
            return None
        if overtaken:
            return Refused(id=message.id, reason=STOPPED, detail="somebody asked for a stop after this")
        try:
            return self._serve(client, message)
        except RobolearnError as error:
            return Refused(id=message.id, reason=type(error).__name__, detail=str(error))

    def _serve(self, client: bytes, message: Request) -> FromServer | None:
        """Return the answer to a request; None if it comes later."""
        match message:
            case Hello():
                return self._welcome(client, message)
            case Ping():
                return Pong(id=message.id, now_ns=self._clock.now_ns(), session=self.session)
            case Stop():
                self._desk(message.arm).stop_for(client)
                _log.warning("arm '%s' stopped: asked by '%s'", message.arm, self._names.get(client, "unnamed"))
                return Done(id=message.id)
            case Begin():
                self._begin(client, message)
                return None
            case Acquire() | Release() | Reset() | ClearFaults():
                return self._serve_holder(client, message)
            case _:
                raise WireError("request", expected="one that a server understands", got=type(message).__name__)

    def _welcome(self, client: bytes, message: Hello) -> Welcome:
        if message.protocol != PROTOCOL:
            fix = "update the older side"
            raise WireError("protocol", expected=f"version {PROTOCOL}", got=message.protocol, fix=fix)
        self._names[client] = message.client
        while len(self._names) > MOST_NAMES:
            self._names.pop(next(iter(self._names)))
        return Welcome(
            id=message.id,
            protocol=PROTOCOL,
            session=self.session,
            period_s=self._clock.period_s,
            arms={name: desk.robot.spec for name, desk in self._desks.items()},
            cameras=self._cameras,
            has_scene=self._scene is not None,
        )

    def _serve_holder(self, client: bytes, message: Acquire | Release | Reset | ClearFaults) -> FromServer | None:
        self._require_session(message.session)
        desk = self._desk(message.arm)
        self._require_no_begin(client)
        if isinstance(message, Acquire):
            return Granted(id=message.id, lease=desk.acquire(client, self._names.get(client, "unnamed")))
        desk.require(client, message.lease)
        match message:
            case Release():
                desk.release(client, message.lease)
            case Reset():
                q = None if message.q is None else np.array(message.q)
                if q is not None:
                    desk.robot.require_inside(q)
                desk.reset(q)
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
        if BEGIN in self._waiting:
            raise DriverError("begin", expected="one at a time", got="one that is under way", fix="wait for it")
        for desk in self._desks.values():
            desk.require_free(client)
        for desk in self._desks.values():
            desk.clear_faults()
        self._scene.begin(message.seed, self._desks)
        self._waiting[BEGIN] = client, message.id

    def _require_no_begin(self, client: bytes) -> None:
        """Check that no other client waits for a new episode: arms that nobody holds move then, too."""
        if BEGIN in self._waiting and self._waiting[BEGIN][0] != client:
            name = self._names.get(self._waiting[BEGIN][0], "unnamed")
            raise DriverError(
                "request", expected="no new episode under way", got=f"that of '{name}'", fix="wait for it"
            )

    def _arrived(self) -> Iterator[Answer]:
        for arm, (client, request) in list(self._waiting.items()):
            answer = self._begun(request) if arm == BEGIN else self._reset(arm, request)
            if answer is not None:
                del self._waiting[arm]
                yield client, answer

    def _begun(self, request: int) -> Done | Refused | None:
        """Return the answer to a begin, if it has come to an end."""
        try:
            if self._scene is None or not self._scene.ready():
                return None
        except RobolearnError as error:
            _log.error("new episode given up: %s", error)
            return Refused(id=request, reason=type(error).__name__, detail=str(error))
        self._episode += 1
        return Done(id=request)

    def _reset(self, arm: str, request: int) -> Done | Refused | None:
        """Return the answer to a reset, if it has come to an end."""
        desk, why = self._desks[arm], self._desks[arm].stopped_by
        if desk.busy:
            return None
        return Refused(id=request, reason=why, detail=f"the reset was ended: {why}") if why else Done(id=request)

    def _require_session(self, session: int) -> None:
        if session != self.session:
            fix = "say hello again"
            raise WireError("session", expected="that of this server", got="that of an earlier one", fix=fix)

    def _desk(self, arm: str) -> ArmDesk:
        if arm not in self._desks:
            raise WireError("arm", expected=f"one of {sorted(self._desks)}", got=f"'{arm}'")
        return self._desks[arm]


def _stopped_at(message: FromClient, stops: Mapping[str, int]) -> int:
    """Return the place of the last stop that concerns a message, -1 for none; `stops` are places by arm."""
    match message:
        case Begin():
            return max(stops.values(), default=-1)
        case Command() | Reset():
            return stops.get(message.arm, -1)
        case _:
            return -1
