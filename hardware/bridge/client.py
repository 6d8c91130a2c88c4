"""The client's side of the bridge: a remote arm as a driver like any other."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
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
from robolearn.wire.sockets import HandshakeWatch, SecurityConfig, Sockets, sent, take_newest
from robolearn.wire.states import at, from_message

AnswerT = TypeVar("AnswerT")
PINGS = 8
"""Of which the quickest tells the difference of the clocks."""
STALE, RESTARTED = "driver:stale", "driver:restarted"
"""Faults that a client finds by itself: no news of the arm, or news of another session of its server."""


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
    """A state older than this is a fault."""
    deadline_s: float = 0.1
    """A command that arrives later than this after it was sent is refused by the server."""
    align: bool = False
    """Observe arms as they were when the oldest picture was taken, not as they are: a policy then sees all of one instant."""
    security: SecurityConfig = field(default_factory=SecurityConfig)

    def __post_init__(self) -> None:
        if min(self.answer_s, self.reset_s, self.state_s, self.deadline_s) <= 0.0:
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
        self._states: States | None = None
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
        self.welcome = _expect(answer, Welcome)
        self.offset_ns, self.round_trip_s = self._compare_clocks()
        return self.welcome

    def request(self, make: Callable[[int], Request], patience_s: float | None = None) -> FromServer:
        """Ask something and return the answer; messages to earlier questions are dropped.

        Raises:
            CommandTimeoutError: If there is none in time.
            DriverError: If the server refuses.
            WireError: If it refuses this client's keys, or answers nonsense.
        """
        number = next(self._ids)
        deadline_ns = self._now_ns() + round(1e9 * (self.cfg.answer_s if patience_s is None else patience_s))
        self._post(make(number), deadline_ns)
        while (left_ms := (deadline_ns - self._now_ns()) * 1e-6) > 0.0:
            self._watch.check()
            if self._ask.poll(max(int(min(left_ms, 50.0)), 1)):
                answer = self._decode(self._ask.recv())
                if answer.id != number:
                    continue
                if isinstance(answer, Refused):
                    raise DriverError(
                        self.cfg.commands, expected="to be obeyed", got=f"{answer.reason}: {answer.detail}"
                    )
                return answer
        raise self._silence()

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
            self._states, self._heard_ns = self._decode_states(newest), self._now_ns()
        return self._states

    def silent_s(self) -> float:
        """Return how long ago the newest states came."""
        return (self._now_ns() - self._heard_ns) * 1e-9

    def wait_for_states(self, wanted: Callable[[States], bool] = lambda _: True) -> States:
        """Return the newest states of the present session, once there are some that are as wanted.

        Raises:
            CommandTimeoutError: If none come.
        """
        deadline_ns = self._now_ns() + round(self.cfg.answer_s * 1e9)
        while self._now_ns() < deadline_ns:
            states = self.states()
            if states is not None and states.session == self.welcome.session and wanted(states):
                return states
            self._listen.poll(10)
        raise CommandTimeoutError(
            self.cfg.states, expected="states of the robot", got="none", fix="is this the address of the states?"
        )

    def server_ns(self) -> int:
        """Return the time on the server's clock."""
        return self._now_ns() + self.offset_ns

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._sockets.close()

    def _post(self, message: Request, deadline_ns: int) -> None:
        while not sent(self._ask, encode(message)):
            self._watch.check()
            if self._now_ns() >= deadline_ns:
                raise self._silence()
            time.sleep(0.005)

    def _compare_clocks(self) -> tuple[int, float]:
        """Return by how much the server's clock is ahead, ns, and the quickest round trip, s: the error is at most half of it."""
        best: tuple[int, int] | None = None
        for _ in range(PINGS):
            sent = self._now_ns()
            pong = _expect(self.request(lambda number: Ping(id=number)), Pong)
            back = self._now_ns()
            trip = back - sent
            if best is None or trip < best[1]:
                best = pong.now_ns - (sent + trip // 2), trip
        assert best is not None
        return best[0], best[1] * 1e-9

    def _silence(self) -> CommandTimeoutError:
        fix = "is the robot server running there? `robolearn doctor` looks"
        return CommandTimeoutError(
            self.cfg.commands, expected=f"an answer in {self.cfg.answer_s} s", got="none", fix=fix
        )


class RemoteRobot(RobotDriver):
    """One arm behind a bridge; supervised there.

    `state` never waits: news that are too old, or of another session, come back with a fault of their own. A `reset` makes
    up with a server that was restarted.

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

    @property
    def spec(self) -> RobotSpec:
        """Return what the arm is."""
        return self._spec

    def __enter__(self) -> Self:
        self._acquire()
        self._client.wait_for_states()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lease is not None:
            session, lease = self._client.welcome.session, self._lease
            self._lease = None
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
            session=self._client.welcome.session,
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

    def wait_for_command(self, seq: int) -> ArmState:
        """Return the first state that says that the command of this number, or a later one, was accepted.

        Raises:
            CommandTimeoutError: If none does in time.
        """
        return self._client.wait_for_states(lambda states: states.arms[self._arm].command_seq >= seq).arms[self._arm]

    def state(self) -> RobotState:
        """Return the newest state.

        Raises:
            CommandTimeoutError: If there never was one.
        """
        states = self._client.states()
        if states is None or self._arm not in states.arms:
            raise CommandTimeoutError(f"arm '{self._arm}'", expected="a state", got="none", fix="enter it first")
        state = from_message(states.arms[self._arm], states.clock_id, self._client.offset_ns)
        if states.session != self._client.welcome.session:
            return replace(state, applied=None, faults=(*state.faults, RESTARTED))
        if self._client.silent_s() > self._client.cfg.state_s:
            return replace(state, applied=None, faults=(*state.faults, STALE))
        return state

    def state_at(self, stamp_ns: int) -> RobotState:
        """Return the newest state, but joints, pose and gripper as they were then; as far back as the server says.

        Raises:
            CommandTimeoutError: If there never was a state.
        """
        state = self.state()
        states = self._client.states()
        return state if states is None else at(state, states.arms[self._arm].past, stamp_ns, self._client.offset_ns)

    def stop(self) -> None:
        """Ask for rest; returns at once."""
        self._client.send(Stop(id=self._client.next_id(), arm=self._arm))

    def reset(self, q: NDArray[np.float64] | None = None) -> None:
        """Go to a joint configuration (n,) rad, home if None; blocks until there.

        Raises:
            DriverError: If it cannot be reached, or the server refuses.
        """
        self._make_up()
        session, lease = self._client.welcome.session, self._lease
        assert lease is not None
        wanted = None if q is None else q.tolist()
        self._client.request(
            lambda n: Reset(id=n, session=session, arm=self._arm, lease=lease, q=wanted), self._client.cfg.reset_s
        )

    def reset_faults(self) -> None:
        """Clear latched faults at the server; a person should have looked.

        Raises:
            DriverError: If the server refuses.
        """
        self._make_up()
        session, lease = self._client.welcome.session, self._lease
        assert lease is not None
        self._client.request(lambda n: ClearFaults(id=n, session=session, arm=self._arm, lease=lease))

    def _acquire(self) -> None:
        session = self._client.welcome.session
        answer = self._client.request(lambda n: Acquire(id=n, session=session, arm=self._arm))
        self._lease = _expect(answer, Granted).lease

    def _make_up(self) -> None:
        """Introduce and acquire anew after the server was restarted."""
        states = self._client.states()
        if states is not None and states.session != self._client.welcome.session:
            self._client.hello()
            self._lease = None
        if self._lease is None:
            self._acquire()


def _expect(answer: FromServer, kind: type[AnswerT]) -> AnswerT:
    if not isinstance(answer, kind):
        raise WireError("answer", expected=kind.__name__, got=type(answer).__name__)
    return answer
