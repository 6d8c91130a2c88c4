"""The desk in front of one arm: who may command it, which commands still count, and what happens when none come any more."""

import itertools
import logging
import math
import secrets
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np

from robolearn.core.errors import ConfigError, DriverError, RobolearnError, SpecError
from robolearn.core.geometry import Vector
from robolearn.core.protocols import Clock
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.safety import SupervisedRobot, command_faults
from robolearn.wire.messages import ArmState, Command, Past
from robolearn.wire.states import to_command, to_message, to_past

WATCHDOG, LET_GO, ASKED, FAULT = "watchdog", "released", "asked", "fault"
"""What may have stopped an arm: no command in time, its holder gave it back, somebody asked, a latched fault."""
LATE, REPLACED, STOPPED = "late", "replaced", "stopped"
PAST_NS, MOST_PAST = 300_000_000, 16
"""For how long it is said where an arm was, and in how many places at most."""
GATHER_S = 0.5
"""In which a reset gathers its pace."""
RESTING = 0.002
"""rad of each joint by which an arm at rest may seem to move in a period."""
_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class DeskConfig:
    """How long a client may be silent."""

    lease_s: float = 2.0
    """A holder that is not heard of for this long loses its lease to whoever asks next."""
    future_s: float = 0.1
    """A command may claim to have been sent this much later than now: clocks of two machines never agree exactly."""
    homing_speed: float = 0.25
    """Share of a joint's top speed at which resets are driven."""
    apart: float = 0.8
    """Share of a control period that lies between two commands at least; one that comes sooner waits that long."""

    def __post_init__(self) -> None:
        shares = 0.0 < self.homing_speed <= 1.0 and 0.5 <= self.apart <= 1.0
        if not (self.lease_s > 0.0 and self.future_s >= 0.0 and shares):
            expected = "lease_s > 0, future_s >= 0, homing_speed in (0, 1], apart in [0.5, 1]"
            raise ConfigError("desk", expected=expected, got=self)


@dataclass(slots=True)
class Lease:
    """The right to command an arm."""

    client: bytes
    name: str
    number: int
    heard_ns: int


class ArmDesk:
    """Takes commands for one supervised arm, and keeps it safe from those who send none, late ones, or somebody else's.

    Every refused command is counted by its reason: `session`, `lease`, `seq`, `late`, `early`, `busy` (a reset is under way), `replaced` (while it
    waited, a newer one or a reset came), `stopped` (a stop overtook it), `asked` (somebody else asked for a stop), and the supervisor's own, such as
    `non_finite`; the last two latch. An arm whose commands stop coming is stopped once the last one has expired; it then says `stopped_by: watchdog` until the next command.

    Args:
        robot: Supervised, and entered; nothing else commands it.
        clock: Of the server; the supervisor's own.
        session: Of the server.
        cfg: Patience.
    """

    def __init__(self, robot: SupervisedRobot, clock: Clock, session: int, cfg: DeskConfig) -> None:
        self.robot = robot
        self._clock, self._session, self._cfg = clock, session, cfg
        self._lease: Lease | None = None
        self._accepted, self._accepted_seq = 0, -1
        self._rejected: Counter[str] = Counter()
        self._stopped_by = ""
        self._asked = False
        """Whether somebody other than the holder has asked for a stop; until faults are cleared."""
        self._past: deque[Past] = deque(maxlen=MOST_PAST)
        self._seq = -1
        """Of the last command of the holder that came in time and order, whatever became of it."""
        self._waiting: Command | None = None
        """What came too soon after the command before."""
        self._came_ns = 0
        self._accepted_ns: int | None = None
        self._passed_ns: int | None = None
        """When the last command went to the supervisor, since the last stop."""
        self._expiry_ns: int | None = None
        """When the last accepted command stops counting; None while nothing moves."""
        self._homing: Homing | None = None

    @property
    def stopped_by(self) -> str:
        """Return what brought the arm to rest; empty while it follows commands, and after a reset that went well."""
        return self._stopped_by

    @property
    def faults(self) -> tuple[str, ...]:
        """Return the latched faults: the supervisor's, and `asked`."""
        return (*self.robot.faults, ASKED) if self._asked else self.robot.faults

    @property
    def busy(self) -> bool:
        """Return whether a reset is under way."""
        return self._homing is not None

    def acquire(self, client: bytes, name: str) -> int:
        """Return the number of a new lease.

        Raises:
            DriverError: As `require_free`.
        """
        self.require_free(client)
        if self._lease is not None:
            self.stop(LET_GO)
        self._lease = Lease(client, name, secrets.randbits(62), self._clock.now_ns())
        self._seq = self._accepted_seq = -1
        _log.info("arm '%s' is commanded by '%s'", self.robot.spec.name, name)
        return self._lease.number

    def release(self, client: bytes, lease: int) -> None:
        """Give an arm back; it comes to rest.

        Raises:
            DriverError: If the client does not hold it.
        """
        self.require(client, lease)
        self.stop(LET_GO)
        self._lease = None

    def require(self, client: bytes, lease: int) -> None:
        """Check that a client holds the arm.

        Raises:
            DriverError: If it does not.
        """
        held = self._lease
        if held is None or held.client != client or held.number != lease:
            got = "nobody" if held is None else f"'{held.name}'"
            raise DriverError(f"arm '{self.robot.spec.name}'", expected="its present holder", got=got, fix="acquire it")

    def require_free(self, client: bytes) -> None:
        """Check that no other client holds the arm.

        Raises:
            DriverError: If one does, and has been heard of lately, or a reset is under way for it.
        """
        held = self._lease
        if held is None or held.client == client:
            return
        if self.busy or self._clock.now_ns() - held.heard_ns <= self._cfg.lease_s * 1e9:
            raise DriverError(
                f"arm '{self.robot.spec.name}'",
                expected="nobody who commands it",
                got=f"'{held.name}'",
                fix="stop that client, or wait until it has been silent for lease_s",
            )

    def heard(self, client: bytes) -> None:
        """Take note that a client is alive."""
        if self._lease is not None and self._lease.client == client:
            self._lease.heard_ns = self._clock.now_ns()

    def command(self, client: bytes, command: Command) -> str:
        """Pass a command on to the supervisor; return why it was refused, or an empty string."""
        now_ns = self._clock.now_ns()
        reason = self._refusal(client, command, now_ns) or (ASKED if self._asked else "")
        if reason:
            self._reject(reason)
            return reason
        self._seq = command.seq
        if self._waiting is not None:
            self._reject(REPLACED)
        self._waiting, self._came_ns = command, now_ns
        return self._pass_on(now_ns)

    def overtaken(self, client: bytes, command: Command) -> str:
        """Refuse a command that came before a stop which has been obeyed already; return why."""
        reason = self._refusal(client, command, self._clock.now_ns())
        if not reason:
            self._seq, reason = command.seq, STOPPED
        self._reject(reason)
        return reason

    def _pass_on(self, now_ns: int) -> str:
        """Give what waits to the supervisor if it is time for it; return why that refused it, or an empty string."""
        if self._waiting is None:
            return ""
        command = to_command(self._waiting)
        period_ns, due_ns = self._clock.period_s * 1e9, float(self._came_ns)
        soon = False
        if self._passed_ns is not None:
            due_ns = max(due_ns, self._passed_ns + self._cfg.apart * period_ns)
            soon = self._passed_ns <= now_ns < due_ns
        if soon and not command_faults(command, self.robot.spec):  # what is unusable latches at once
            return ""
        self._waiting = None
        if now_ns - due_ns > period_ns:  # the server itself stood still
            self._reject(LATE)
            return LATE
        try:
            self.robot.command(command)
        except (DriverError, SpecError) as error:
            reason = self.robot.faults[0] if self.robot.faults else "refused"
            self._reject(reason, str(error))
            return reason
        self._accepted, self._accepted_seq = self._accepted + 1, command.seq
        self._accepted_ns, self._passed_ns, self._stopped_by = now_ns, now_ns, ""
        self._expiry_ns = now_ns + round(command.valid_for_s * 1e9)
        return ""

    def _reject(self, reason: str, detail: str = "") -> None:
        self._rejected[reason] += 1
        count = self._rejected[reason]
        if count & (count - 1) == 0:  # 1st, 2nd, 4th, 8th ...: a flood must not fill the log
            _log.warning("arm '%s' refused a command: %s (%d so far) %s", self.robot.spec.name, reason, count, detail)

    def reset(self, q: Vector | None, gripper: float | None = None) -> None:
        """Begin to drive to a joint configuration (n,) rad, home without one; `tick` goes on with it.

        Args:
            q: Where to.
            gripper: Opening in [0, 1] on the way; None leaves it alone.

        Raises:
            DriverError: If a fault is latched, or the arm takes no joint positions.
            SpecError: If the configuration is not (n,) finite numbers within the arm's limits.
        """
        robot = self.robot
        if self.faults:
            where, got, fix = (
                f"reset of arm '{robot.spec.name}'",
                ", ".join(self.faults),
                "see to it, then `robolearn clear`",
            )
            raise DriverError(where, expected="no latched faults", got=got, fix=fix)
        if CommandMode.JOINT_POSITION not in robot.spec.modes:
            self._forget(REPLACED)
            robot.reset(q)
            self._stopped_by = ""
            return
        wanted = np.array(robot.spec.q_home if q is None else q, np.float64)
        robot.require_reachable(wanted)
        homing = Homing(robot, wanted, gripper, self._cfg.homing_speed, self._clock)
        self._forget(REPLACED)
        self._homing, self._stopped_by = homing, ""

    def stop(self, why: str) -> None:
        """Bring the arm to rest, and give up any reset."""
        self._forget(STOPPED)
        self._stopped_by = why
        self.robot.stop()

    def stop_for(self, client: bytes) -> None:
        """Stop because a client asks; if that is not the holder, the arm rests until faults are cleared."""
        self.stop(ASKED)
        self._asked |= self._lease is None or self._lease.client != client

    def _forget(self, why: str) -> None:
        """Give up whatever is under way; a command that waits is refused by that name."""
        if self._waiting is not None:
            self._reject(why)
        self._expiry_ns = self._homing = self._waiting = self._passed_ns = None

    def clear_faults(self) -> None:
        """Clear latched faults."""
        self._asked = False
        self.robot.reset_faults()

    def tick(self) -> None:
        """Do what time brings: stop an arm whose commands have expired, go on with a reset."""
        now_ns = self._clock.now_ns()
        self._pass_on(now_ns)
        if self._expiry_ns is not None and now_ns > self._expiry_ns:
            _log.warning("arm '%s' stopped: no command in time", self.robot.spec.name)
            self.stop(WATCHDOG)
        if self._homing is not None:
            try:
                if self._homing.step():
                    self._homing = None
                    self.robot.stop()
            except RobolearnError as error:
                _log.error("reset given up: %s", error)
                self.stop(FAULT)
        if self.robot.faults and (self._expiry_ns is not None or self._stopped_by != FAULT):
            self._expiry_ns, self._stopped_by = None, FAULT

    def state(self) -> ArmState:
        """Return the newest state, with what the desk knows."""
        now_ns = self._clock.now_ns()
        age_s = math.inf if self._accepted_ns is None else (now_ns - self._accepted_ns) * 1e-9
        state, held = self.robot.state(), self._lease
        while self._past and state.stamp_ns - self._past[0].stamp_ns > PAST_NS:
            self._past.popleft()
        message = to_message(
            state,
            holder="" if held is None else held.name,
            lease=None if held is None else held.number,
            faults=self.faults,
            stopped_by=self._stopped_by,
            command_seq=self._accepted_seq,
            command_age_s=age_s,
            accepted=self._accepted,
            rejected=dict(self._rejected),
            past=self._past,
        )
        if not self._past or state.stamp_ns - self._past[-1].stamp_ns >= PAST_NS // MOST_PAST:
            self._past.append(to_past(state))
        return message

    def _refusal(self, client: bytes, command: Command, now_ns: int) -> str:
        held, age_s = self._lease, (now_ns - command.sent_ns) * 1e-9
        if command.session != self._session:
            return "session"
        if held is None or held.client != client or held.number != command.lease:
            return "lease"
        held.heard_ns = now_ns
        if command.seq <= self._seq:
            return "seq"
        if age_s > command.deadline_s:
            return LATE
        if age_s < -self._cfg.future_s:
            return "early"
        return "busy" if self.busy else ""


class Homing:
    """A way through joint space, driven through the supervisor like any other motion.

    Every step leads straight to the goal, from wherever limits, such as the sides of the workspace box, have let the
    set-point get to.

    Args:
        robot: Supervised.
        goal: (n,) rad.
        gripper: Opening in [0, 1], or None.
        speed: Share of each joint's top speed.
        clock: Times the way.
    """

    PATIENCE = 3.0
    """The way may take this many times as long as it should, and a second."""

    def __init__(self, robot: SupervisedRobot, goal: Vector, gripper: float | None, speed: float, clock: Clock) -> None:
        self._robot, self._goal, self._gripper, self._clock = robot, goal, gripper, clock
        self._setpoint = self._before = robot.state().q
        self._top = speed * np.array(robot.spec.dq_max)
        self._duration_s = max(self._left_s(), clock.period_s)
        self._begun_ns = self._last_ns = clock.now_ns()
        self._seq = itertools.count()

    def step(self) -> bool:
        """Send the next waypoint if it is time for one; return whether the arm has arrived, and rests.

        Raises:
            DriverError: If a fault is latched, or the arm does not get there.
        """
        now_ns, period_ns = self._clock.now_ns(), round(self._clock.period_s * 1e9)
        passed_s = (now_ns - self._begun_ns) * 1e-9
        if now_ns - self._last_ns < period_ns and passed_s > 0.0:
            return False
        q = self._robot.state().q
        short, moved = float(np.abs(q - self._goal).max()), float(np.abs(q - self._before).max())
        self._last_ns, self._before = now_ns, q
        if passed_s > self._duration_s and short < self._robot.spec.reset_tolerance and moved < RESTING:
            return True
        if passed_s > self.PATIENCE * self._duration_s + 1.0:
            applied = self._robot.state().applied
            limits = ", ".join(applied.clipped) if applied is not None and applied.clipped else "no limit"
            got = f"{short:.3f} rad short after {passed_s:.1f} s, {moved:.3f} rad in the last period, held by {limits}"
            raise DriverError(f"reset of arm '{self._robot.spec.name}'", expected="to get there, and rest", got=got)
        period_s = self._clock.period_s
        pace = min((passed_s + period_s) / GATHER_S, 1.0)
        share = min(pace * period_s / max(self._left_s(), 2.0 * period_s), 1.0)
        target = self._setpoint + share * (self._goal - self._setpoint)
        self._robot.command(
            RobotCommand(
                mode=CommandMode.JOINT_POSITION,
                target=target,
                gripper=self._gripper,
                valid_for_s=5.0 * self._clock.period_s,
                seq=next(self._seq),
            ),
            towards=self._goal,
        )
        applied = self._robot.state().applied
        self._setpoint = target if applied is None else applied.target
        return False

    def _left_s(self) -> float:
        """Return how long the rest of the way takes at full pace."""
        return float((np.abs(self._goal - self._setpoint) / self._top).max())
