"""The client's side of the bridge: a remote arm as a driver like any other."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from robolearn.core.errors import CommandTimeoutError, ConfigError, DriverError, WireError, nearest
from robolearn.core.protocols import RobotDriver
from robolearn.core.robot import RobotCommand, RobotSpec, RobotState
from robolearn.wire.codec import Decoder, encode
from robolearn.wire.messages import (
    PROTOCOL,
    Acquire,
    ArmState,
    ClearFaults,
    Command,
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
from robolearn.wire.sockets import HandshakeWatch, SecurityConfig, Sockets, reached, sent, take_newest, wait_for_any
from robolearn.wire.states import at, from_message

AnswerT = TypeVar("AnswerT")
PINGS = 8
"""Of which the quickest tells the difference of the clocks."""
STALE, RESTARTED, LOST = "driver:stale", "driver:restarted", "driver:lease"
"""Faults that a client finds by itself: no news of the arm, news of another session of its server, or of an arm that was lost to another client."""


@dataclass(kw_only=True, slots=True)
class ClientConfig:
    """Where a robot server is, and how patient its client is."""

    commands: str = "tcp://127.0.0.1:5650"
    states: str = "tcp://127.0.0.1:5651"
    name: str = "client"
    """Who this is, for people at the server."""
    answer_s: float = 2.0
    """Patience for an answer."""
    reset_s: float = 30.0
    """Patience for a reset, or for a twin's new episode."""
    state_s: float = 0.3
    """A state that was taken, or came, longer ago than this is a fault."""
    deadline_s: float = 0.1
    """A command that arrives later than this after it was sent is refused by the server."""
    picture_s: float = 0.5
    """A picture that was taken longer ago than this is stale."""
    stale_frames: str = "stop"
    """What a stale picture leads to: `stop` stops the arms and ends the program, `truncate` the episode; `hold` goes on with the last good one."""
    align: bool = False
    """Observe arms as they were when the oldest picture was taken, not as they are: a policy then sees all of one instant."""
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        if min(self.answer_s, self.reset_s, self.state_s, self.deadline_s, self.picture_s) <= 0.0:
            raise ConfigError("client", expected="times above 0 s", got=self)


class BridgeClient:
    """A connection to a robot server; belongs to the thread that made it.

    Args:
        cfg: Where, and patience.
        now_ns: This machine's monotonic time.

    Raises:
        CommandTimeoutError: If no server answers.
        WireError: If it speaks another version, or refuses this client's keys.
    """

    def __init__(self, cfg: ClientConfig, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.cfg = cfg
        self._now_ns = now_ns
        self._sockets = Sockets(cfg.security)
        self._ids = itertools.count(1)
        self._decode: Decoder[FromServer] = Decoder(FromServer, f"answer of {cfg.commands}")
        self._decode_states: Decoder[States] = Decoder(States, f"state of {cfg.states}")
        self.known: States | None = None
        """What `states` returned last."""
        self._heard_ns = now_ns()
        try:
            self._ask = self._sockets.ask(cfg.commands)
            self._watch = HandshakeWatch(self._ask, cfg.commands)
            self._listen = self._sockets.newest(cfg.states)
            self.hello()
        except BaseException:
            self._sockets.close()
            raise

    def hello(self) -> Welcome:
        """Introduce this client (again), and learn what the server owns and how its clock goes.

        Raises:
            CommandTimeoutError: If it does not answer.
            WireError: If it speaks another version.
        """
        answer = self.request(lambda number: Hello(id=number, protocol=PROTOCOL, client=self.cfg.name))
        welcome = _expect(answer, Welcome)
        server = self.cfg.commands
        cameras = {name: replace(at, endpoint=reached(at.endpoint, server)) for name, at in welcome.cameras.items()}
        self.welcome = replace(welcome, cameras=cameras)
        self._compare_clocks()
        return self.welcome

    def make_up(self) -> None:
        """Compare clocks again, which drift apart, and introduce this client anew to a server that was restarted.

        Raises:
            CommandTimeoutError: If it does not answer.
            WireError: If it speaks another version.
        """
        if self._compare_clocks() != self.welcome.session:
            self.hello()

    def require_rate(self, rate_hz: float) -> None:
        """Check that an env commands at the rate for which the server's limits are set.

        Raises:
            ConfigError: If it does not.
        """
        wanted_hz = 1.0 / self.welcome.period_s
        if abs(rate_hz - wanted_hz) > 0.01 * wanted_hz:
            fix = "start the server with the rate_hz of the env"
            raise ConfigError("rate of commands", expected=f"{wanted_hz:g} Hz", got=f"{rate_hz:g} Hz", fix=fix)

    def request(self, make: Callable[[int], Request], patience_s: float | None = None) -> FromServer:
        """Ask something and return the answer; messages to earlier questions are dropped.

        Raises:
            CommandTimeoutError: If there is none in time.
            DriverError: If the server refuses.
            WireError: If it refuses this client's keys, or answers nonsense.
        """
        number, wait_s = next(self._ids), self.cfg.answer_s if patience_s is None else patience_s
        deadline_ns = self._now_ns() + round(1e9 * wait_s)
        self._post(make(number), deadline_ns)
        while (left_ms := (deadline_ns - self._now_ns()) * 1e-6) > 0.0:
            self._watch.check()
            if self._ask.poll(max(int(min(left_ms, 50.0)), 1)):
                answer = self._decode(self._ask.recv())
                if answer.id != number:
                    continue
                if isinstance(answer, Refused):
                    got = f"{answer.reason}: {answer.detail}"
                    raise DriverError(self.cfg.commands, expected="to be obeyed", got=got)
                return answer
        fix = "is the robot server running there? `robolearn doctor` looks"
        raise CommandTimeoutError(self.cfg.commands, expected=f"an answer in {wait_s:g} s", got="none", fix=fix)

    def ping_s(self) -> float:
        """Return how long a question takes to be answered, s.

        Raises:
            CommandTimeoutError: If the server does not answer.
        """
        sent_ns = self._now_ns()
        _expect(self.request(lambda number: Ping(id=number)), Pong)
        return (self._now_ns() - sent_ns) * 1e-9

    def send(self, message: Command | Stop) -> None:
        """Send something that needs no answer; without a connection it is dropped, never queued."""
        if not sent(self._ask, encode(message)):
            self._watch.check()

    def next_id(self) -> int:
        """Return a number for a message."""
        return next(self._ids)

    def states(self) -> States | None:
        """Return the newest states, or None if there never were any; never blocks.

        Raises:
            WireError: If what came is no message of this protocol.
        """
        newest = take_newest(self._listen)
        if newest is not None:
            self.known, self._heard_ns = self._decode_states(newest), self._now_ns()
        return self.known

    def silent_s(self) -> float:
        """Return how long ago the newest states came."""
        return (self._now_ns() - self._heard_ns) * 1e-9

    def wait_for_states(self, wanted: Callable[[States], bool] = lambda _: True, wait_s: float | None = None) -> States:
        """Return the newest states of the present session, once there are some that are as wanted.

        Raises:
            CommandTimeoutError: If none come.
        """
        deadline_ns = self._now_ns() + round(1e9 * (self.cfg.answer_s if wait_s is None else wait_s))
        while self._now_ns() < deadline_ns:
            states = self.states()
            if states is not None and states.session == self.welcome.session and wanted(states):
                return states
            wait_for_any([self._listen], 0.01)
        fix = "is this the address of the states?"
        raise CommandTimeoutError(self.cfg.states, expected="states of the robot", got="none", fix=fix)

    def server_ns(self) -> int:
        """Return the time on the server's clock."""
        return self._now_ns() + self.offset_ns

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._sockets.close()

    def _post(self, message: Request, deadline_ns: int) -> None:
        while not sent(self._ask, encode(message)) and self._now_ns() < deadline_ns:
            self._watch.check()
            time.sleep(0.005)

    def _compare_clocks(self) -> int:
        """Measure by how much the server's clock is ahead, wrong by half of the quickest round trip at most; return its session."""
        trips: list[tuple[int, int, int]] = []
        for _ in range(PINGS):
            sent_ns = self._now_ns()
            pong = _expect(self.request(lambda number: Ping(id=number)), Pong)
            trip_ns = self._now_ns() - sent_ns
            trips.append((trip_ns, pong.now_ns - (sent_ns + trip_ns // 2), pong.session))
        trip_ns, self.offset_ns, _ = min(trips)
        self.round_trip_s = trip_ns * 1e-9
        return trips[-1][2]


class RemoteRobot(RobotDriver):
    """One arm behind a bridge; supervised there.

    `state` never waits: news that are too old, of another session, or of an arm that another client has taken come back with
    a fault of their own. A `reset` compares clocks again, makes up with a server that was restarted, and acquires the arm again.

    Raises:
        ConfigError: If the server has no such arm.
    """

    def __init__(self, client: BridgeClient, arm: str) -> None:
        if arm not in client.welcome.arms:
            known = sorted(client.welcome.arms)
            raise ConfigError("arm", expected="an arm of the server", got=f"'{arm}'", fix=nearest(arm, known))
        self._client, self._arm = client, arm
        self._spec = client.welcome.arms[arm]
        self._lease: int | None = None
        self._session = client.welcome.session  # in which the lease was granted

    @property
    def spec(self) -> RobotSpec:
        """Return what the arm is."""
        return self._spec

    def __enter__(self) -> Self:
        self.hold()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lease is not None:
            session, lease, self._lease = self._session, self._lease, None
            try:
                self._client.request(lambda n: Release(id=n, session=session, arm=self._arm, lease=lease))
            except (DriverError, WireError):
                return  # a server that is gone, or has given the arm to another, has nothing to be given back

    def command(self, command: RobotCommand) -> None:
        """Send a set-point; what becomes of it is in the next states.

        Raises:
            DriverError: If the arm was not acquired.
        """
        self._client.send(self.message(command))

    def message(self, command: RobotCommand) -> Command:
        """Return what is sent for a set-point.

        Raises:
            DriverError: If the arm was not acquired.
        """
        if self._lease is None:
            raise DriverError(f"arm '{self._arm}'", expected="an acquired arm", got="none", fix="enter it first")
        return Command(
            session=self._session,
            arm=self._arm,
            lease=self._lease,
            seq=command.seq,
            sent_ns=self._client.server_ns(),
            deadline_s=self._client.cfg.deadline_s,
            mode=command.mode,
            target=command.target.tolist(),
            gripper=command.gripper,
            valid_for_s=command.valid_for_s,
        )

    def wait_for_command(self, seq: int, wait_s: float | None = None) -> ArmState:
        """Return the first state that says that the command of this number, or a later one, was accepted, or why none is.

        Raises:
            CommandTimeoutError: If none does in time.
        """
        arm = self._arm
        return self._client.wait_for_states(
            lambda now: now.arms[arm].command_seq >= seq or bool(now.arms[arm].faults) or self._lost(now), wait_s
        ).arms[arm]

    def state(self) -> RobotState:
        """Return the newest state.

        Raises:
            CommandTimeoutError: If there never was one.
        """
        states = self._client.states()
        if states is None or self._arm not in states.arms:
            raise CommandTimeoutError(f"arm '{self._arm}'", expected="a state", got="none", fix="enter it first")
        message = states.arms[self._arm]
        state = from_message(message, states.clock_id, self._client.offset_ns)
        age_s = max((self._client.server_ns() - message.stamp_ns) * 1e-9, self._client.silent_s())
        same, old = states.session == self._session, age_s > self._client.cfg.state_s
        if same and not old and not self._lost(states):
            return state
        fault = RESTARTED if not same else STALE if old else LOST
        return replace(state, applied=None, faults=(*state.faults, fault))

    def state_at(self, stamp_ns: int) -> RobotState:
        """Return the newest state, but joints, pose and gripper as they were then; as far back as the server says.

        Raises:
            CommandTimeoutError: If there never was a state.
        """
        state = self.state()
        states = self._client.states()
        return state if states is None else at(state, states.arms[self._arm].past, stamp_ns, self._client.offset_ns)

    def stop(self) -> None:
        """Ask for rest; returns at once. An arm that was lost is another's to stop; one that was never held then has a fault."""
        if not self._lost(self._client.known):
            self._client.send(Stop(id=self._client.next_id(), arm=self._arm))

    def reset(self, q: NDArray[np.float64] | None = None) -> None:
        """Go to a joint configuration (n,) rad, home if None; blocks until there.

        Raises:
            DriverError: If it cannot be reached, or the server refuses.
        """
        lease, session = self.hold(), self._session
        wanted = None if q is None else q.tolist()
        self._client.request(
            lambda n: Reset(id=n, session=session, arm=self._arm, lease=lease, q=wanted), self._client.cfg.reset_s
        )

    def reset_faults(self) -> None:
        """Clear latched faults at the server; a person should have looked.

        Raises:
            DriverError: If the server refuses.
        """
        lease, session = self.hold(), self._session
        self._client.request(lambda n: ClearFaults(id=n, session=session, arm=self._arm, lease=lease))

    def hold(self) -> int:
        """Let the server know that this client is there, and acquire the arm where that is not done, or was lost; return the lease.

        Raises:
            DriverError: If another client holds it, or a restarted server has another arm by this name, or none answers.
        """
        self._client.make_up()
        welcome = self._client.welcome
        if self._lease is not None and self._session == welcome.session and not self._lost(self._client.states()):
            return self._lease
        if welcome.arms.get(self._arm) != self._spec:
            raise DriverError(f"arm '{self._arm}'", expected="the arm of before", got="another", fix="connect anew")
        answer = self._client.request(lambda n: Acquire(id=n, session=welcome.session, arm=self._arm))
        self._lease, self._session = _expect(answer, Granted).lease, welcome.session
        self._client.wait_for_states(lambda states: not self._lost(states))
        return self._lease

    def _lost(self, states: States | None) -> bool:
        """Return whether states say that the arm, once acquired, has gone to another client, or is that of a restarted server."""
        same = states is None or (states.session, states.arms[self._arm].lease) == (self._session, self._lease)
        return self._lease is not None and not same


def _expect(answer: FromServer, kind: type[AnswerT]) -> AnswerT:
    if not isinstance(answer, kind):
        raise WireError("answer", expected=kind.__name__, got=type(answer).__name__)
    return answer
