"""The one supervisor between whoever commands an arm and the arm: in simulation, on the twin and on hardware."""

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from robolearn.core.errors import DriverError, SpecError
from robolearn.core.geometry import Pose, Vector
from robolearn.core.protocols import Clock, RobotDriver, Snapshot
from robolearn.core.robot import Applied, CommandMode, RobotCommand, RobotSpec, RobotState
from robolearn.safety.cartesian import CartesianLimiter, CartesianState
from robolearn.safety.joints import JointLimiter, JointState
from robolearn.safety.limits import SafetyLimits
from robolearn.safety.monitors import StateMonitor, command_faults

MotionState = CartesianState | JointState
_MODES = tuple(CommandMode)
_CARTESIAN = (CommandMode.POSE, CommandMode.TWIST)
_PLACES = (CommandMode.POSE, CommandMode.JOINT_POSITION)
_ARRIVED = 1.5
"""Periods after which a place that was commanded has been reached, and the arm rests there."""
_DRIVER = "driver/"
_log = logging.getLogger(__name__)


class SupervisedRobot:
    """A driver behind limits: a `RobotDriver` that lets through only what is safe and says what it changed.

    A command passes, in this order: finite, shape, supported mode, workspace box, velocity, acceleration and jerk
    relative to the previous accepted set-points, error clip against the measured pose. `state().applied` holds what
    was accepted, and the names of the limits that changed it.

    Time is the injected clock's. Set-points count as one period apart at most; a command that comes within half a
    period of the previous one replaces it, so neither bursts nor pauses buy speed. A place that has been reached, or has
    expired (`valid_for_s`), counts as come to rest there. The motion goes on from what is measured after a stop, another
    mode, or speeds that have expired, which they do before they would lead out of the box.

    Unusable commands, and states that a monitor finds bad, latch a named fault: the arm stops, and every command and
    reset is refused until a person (or a simulation) calls `reset_faults`. Monitors look at every new state, in `state`
    and `command`.
    """

    def __init__(
        self, driver: RobotDriver, limits: SafetyLimits, clock: Clock, fault_log_level: int = logging.ERROR
    ) -> None:
        """Take a driver that nothing else commands.

        Args:
            driver: Entered and exited with this object.
            limits: What is enforced.
            clock: Paces and times the commands.
            fault_log_level: Level at which faults are logged; lower it where nobody has to come and look.
        """
        self._driver = driver
        self._fault_log_level = fault_log_level
        self._spec = driver.spec
        self._clock = clock
        self._period_ns = round(clock.period_s * 1e9)
        self._cartesian = CartesianLimiter(limits, clock.period_s)
        self._joints = JointLimiter(limits, self._spec)
        self._monitor = StateMonitor(limits, self._spec, clock.period_s)
        self._box = limits.workspace_low, limits.workspace_high
        self._faults: tuple[str, ...] = ()
        self._measured: tuple[int, RobotState] | None = None
        self._forget()

    def _forget(self) -> None:
        self._applied: Applied | None = None
        self._base: MotionState | None = None
        self._accepted: MotionState | None = None
        self._tick_ns = 0
        self._expiry_ns = 0
        self._dt = self._clock.period_s
        self._measured = None

    @property
    def spec(self) -> RobotSpec:
        """Return the arm's spec; works unconnected."""
        return self._spec

    @property
    def faults(self) -> tuple[str, ...]:
        """Return the latched faults without measuring anything."""
        return self._faults

    def __enter__(self) -> Self:
        self._driver.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._driver.__exit__(kind, error, trace)

    def command(self, command: RobotCommand, towards: Vector | None = None) -> None:
        """Pass a set-point on, as far as the limits allow it; never blocks.

        Args:
            command: Of any mode of the arm.
            towards: Joint angles (n,) rad to which a reset leads: on the way there, in steps of joint positions, the tool
                may be as far outside of the box as it is there.

        Raises:
            DriverError: If a fault is or becomes latched, the command is unusable (which latches), the mode is not
                supported, or the arm does not sense its tool pose in a Cartesian mode.
        """
        self._refuse_if_faulty("a command")
        bad = command_faults(command, self._spec)
        if bad:
            self._latch(bad)
            self._refuse_if_faulty("a command")
        if command.mode not in self._spec.modes:
            raise DriverError(f"arm '{self._spec.name}'", expected=f"mode in {self._spec.modes}", got=command.mode)
        now_ns = self._clock.now_ns()
        measured = self._measure(now_ns)
        self._refuse_if_faulty("a command")
        base, dt, tick_ns = self._schedule(now_ns, command.mode, measured)
        reached, target, clipped = self._project(base, command, measured, dt, towards)
        gripper, valid_for_s = command.gripper, command.valid_for_s
        if command.mode is CommandMode.TWIST and isinstance(reached, CartesianState):
            valid_for_s = self._cartesian.lasts_s(reached, valid_for_s, dt)
        if command.mode is CommandMode.JOINT_VELOCITY and isinstance(reached, JointState):
            valid_for_s = self._joints.lasts_s(reached, valid_for_s, dt)
        clipped = clipped if valid_for_s == command.valid_for_s else (*clipped, "valid_for")
        if gripper is not None and not 0.0 <= gripper <= 1.0:
            gripper, clipped = min(max(gripper, 0.0), 1.0), (*clipped, "gripper")
        target.setflags(write=False)
        self._driver.command(
            RobotCommand(mode=command.mode, target=target, gripper=gripper, valid_for_s=valid_for_s, seq=command.seq)
        )
        self._base, self._accepted, self._dt, self._tick_ns = base, reached, dt, tick_ns
        self._expiry_ns = now_ns + round(min(valid_for_s, 1e6) * 1e9)
        self._applied = Applied(
            seq=command.seq,
            mode=command.mode,
            target=target,
            gripper=gripper,
            valid_for_s=valid_for_s,
            clipped=clipped,
        )

    def state(self) -> RobotState:
        """Return the newest state with the accepted set-point and all latched faults; never blocks."""
        measured = self._measure(self._clock.now_ns(), fresh=True)
        return replace(measured, faults=self._faults, applied=self._applied)

    def stop(self) -> None:
        """Come to rest and hold, and forget the set-point; never blocks, may be repeated."""
        self._forget()
        self._driver.stop()

    def reset(self, q: NDArray[np.float64] | None = None) -> None:
        """Go to a joint configuration (n,) rad within the limits, home if None, and clear the set-point; blocks.

        Raises:
            DriverError: If a fault is latched, or the configuration cannot be reached.
            SpecError: If the configuration is not finite, has another shape, or is outside of the joint limits.
        """
        self._refuse_if_faulty("a reset")
        wanted = np.array(self._spec.q_home if q is None else q, np.float64)
        self.require_reachable(wanted)
        self._forget()
        self._driver.reset(wanted)
        self._forget()

    def require_reachable(self, q: NDArray[np.float64]) -> None:
        """Check that a joint configuration (n,) rad may be gone to.

        Raises:
            SpecError: If it is not finite, has another shape, or is outside of the joint limits.
        """
        where = f"reset of arm '{self._spec.name}'"
        if q.shape != (len(self._spec.joint_names),) or not np.isfinite(q).all():
            raise SpecError(where, expected=f"{len(self._spec.joint_names)} finite joint angles", got=q.tolist())
        for joint in self._joints.out_of_range(q):
            raise SpecError(
                f"{where}, joint '{self._spec.joint_names[joint]}'",
                expected="an angle in [{:.4f}, {:.4f}] rad".format(*self._joints.allowed(joint)),
                got=f"{q[joint]:.4f}",
            )

    def require_inside(self, q: NDArray[np.float64]) -> None:
        """Check that the tool is in the workspace box at a joint configuration (n,) rad, or no further outside of a side than at home.

        Raises:
            SpecError: If it is not, as far as the arm's links are known; or as `require_reachable`.
        """
        self.require_reachable(q)
        tool = self._joints.out_of_box(q, np.array(self._spec.q_home))
        if tool is not None:
            box = "the tool in the workspace box {} to {} m".format(*self._box)
            raise SpecError(f"reset of arm '{self._spec.name}'", expected=box, got=np.round(tool, 3).tolist())

    def reset_faults(self) -> None:
        """Clear all latched faults; a cause that persists latches again at the next state or command."""
        if self._faults:
            _log.log(self._fault_log_level, "arm '%s': faults %s cleared", self._spec.name, ", ".join(self._faults))
        self._faults = ()
        self._measured = None

    def save(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole supervisor, and the driver's state if it has one to save, as plain arrays."""
        saved: dict[str, NDArray[np.generic]] = {
            "faults": np.array(self._faults, np.str_),
            "time": np.array([self._tick_ns, self._expiry_ns], np.int64),
            "dt": np.array(self._dt),
        }
        if self._base is not None and self._accepted is not None:
            saved |= {"base": self._base.to_array(), "accepted": self._accepted.to_array()}
        if self._applied is not None:
            applied = self._applied
            gripper = np.nan if applied.gripper is None else applied.gripper
            saved |= {
                "applied/index": np.array([applied.seq, _MODES.index(applied.mode)], np.int64),
                "applied/target": applied.target.copy(),
                "applied/gripper": np.array(gripper),
                "applied/valid_for_s": np.array(applied.valid_for_s),
                "applied/clipped": np.array(applied.clipped, np.str_),
            }
        if isinstance(self._driver, Snapshot):
            inner: Mapping[str, NDArray[np.generic]] = self._driver.save()
            saved |= {_DRIVER + name: array for name, array in inner.items()}
        return saved

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Put back what `save` returned."""
        self._forget()
        self._faults = tuple(state["faults"].tolist())
        self._tick_ns, self._expiry_ns = state["time"].tolist()
        self._dt = float(state["dt"])
        if "applied/index" in state:
            seq, mode = state["applied/index"].tolist()
            gripper = float(state["applied/gripper"])
            target = np.array(state["applied/target"], np.float64)
            target.setflags(write=False)
            self._applied = Applied(
                seq=seq,
                mode=_MODES[mode],
                target=target,
                gripper=None if np.isnan(gripper) else gripper,
                valid_for_s=float(state["applied/valid_for_s"]),
                clipped=tuple(state["applied/clipped"].tolist()),
            )
            kind = CartesianState if self._applied.mode in _CARTESIAN else JointState
            self._base = kind.from_array(np.array(state["base"], np.float64))
            self._accepted = kind.from_array(np.array(state["accepted"], np.float64))
        if isinstance(self._driver, Snapshot):
            start = len(_DRIVER)
            self._driver.restore({name[start:]: value for name, value in state.items() if name.startswith(_DRIVER)})

    def _measure(self, now_ns: int, fresh: bool = False) -> RobotState:
        """Read the driver, and monitor what is new; a read at this same instant is good enough for a command."""
        before = self._measured
        if not fresh and before is not None and before[0] == now_ns:
            return before[1]
        state = self._driver.state()
        if before is None or state is not before[1]:
            found = self._monitor.faults(state, self._applied)
            if found:
                self._latch(tuple(found))
        self._measured = (now_ns, state)
        return state

    def _latch(self, found: tuple[str, ...]) -> None:
        new = tuple(name for name in found if name not in self._faults)
        if not new:
            return
        self._faults += new
        self.stop()
        _log.log(self._fault_log_level, "arm '%s' stopped: %s", self._spec.name, ", ".join(new))

    def _refuse_if_faulty(self, what: str) -> None:
        if self._faults:
            raise DriverError(
                f"arm '{self._spec.name}' refused {what}",
                expected="no latched faults",
                got=", ".join(self._faults),
                fix="remove the cause, then `robolearn clear`, or reset_faults() where the arm is in this program",
            )

    def _schedule(self, now_ns: int, mode: CommandMode, measured: RobotState) -> tuple[MotionState, float, int]:
        """Return the motion that a command starts from, the time it has, and when its tick began."""
        before = self._applied
        if before is None or before.mode is not mode or self._accepted is None or self._base is None:
            return self._anchor(mode, measured), self._clock.period_s, now_ns
        elapsed_ns = now_ns - self._tick_ns
        if 0 <= elapsed_ns < self._period_ns // 2:
            return self._base, self._dt, self._tick_ns
        dt = min(elapsed_ns, self._period_ns) * 1e-9 if elapsed_ns > 0 else self._clock.period_s
        expired = now_ns > self._expiry_ns
        if mode not in _PLACES:
            return self._anchor(mode, measured) if expired else self._accepted, dt, now_ns
        arrived = elapsed_ns > _ARRIVED * self._period_ns
        return self._at_rest(self._accepted) if arrived or expired else self._accepted, dt, now_ns

    def _anchor(self, mode: CommandMode, measured: RobotState) -> MotionState:
        """Return the motion that is measured: an arm that has been stopped may still be braking."""
        if mode in _CARTESIAN:
            return self._cartesian.anchor(self._pose(measured), measured.twist)
        return self._joints.anchor(measured.q, measured.dq)

    def _at_rest(self, accepted: MotionState) -> MotionState:
        if isinstance(accepted, JointState):
            return JointState(accepted.q, [0.0] * len(accepted.q))
        return self._cartesian.anchor(Pose(np.array(accepted.track.position), accepted.quat_wxyz))

    def _project(
        self, base: MotionState, command: RobotCommand, measured: RobotState, dt: float, towards: Vector | None
    ) -> tuple[MotionState, Vector, tuple[str, ...]]:
        target, before = command.target, self._applied
        repeated = before is not None and base is self._base and before.target.tolist() == target.tolist()
        if repeated and self._accepted is not None:
            return self._accepted, target.copy(), ()
        if isinstance(base, CartesianState):
            project = self._cartesian.pose if command.mode is CommandMode.POSE else self._cartesian.twist
            reached, accepted, names = project(base, target, self._pose(measured), dt)
        elif command.mode is CommandMode.JOINT_POSITION:
            reached, accepted, names = self._joints.position(base, target, measured.q, dt, towards)
        else:
            reached, accepted, names = self._joints.velocity(base, target, measured.q, measured.dq, dt)
        return reached, (accepted if accepted is not target else target.copy()), names

    def _pose(self, measured: RobotState) -> Pose:
        if measured.pose_tool_in_base is None:
            raise DriverError(
                f"arm '{self._spec.name}'", expected="a sensed pose_tool_in_base for Cartesian modes", got="None"
            )
        return measured.pose_tool_in_base
