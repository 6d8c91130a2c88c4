"""Arms whose controller wants a target at every one of its own ticks: one thread sends them, and reads the arm."""

import abc
import logging
import math
import threading
from types import TracebackType
from typing import Self

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from robolearn.core.clock import WallClock
from robolearn.core.errors import DriverError, SpecError
from robolearn.core.geometry import Vector
from robolearn.core.protocols import Clock
from robolearn.core.robot import CommandMode, RobotCommand, RobotSpec, RobotState
from robolearn.hardware.arms.path import Path, Reference

SIZES = {CommandMode.POSE: 7, CommandMode.TWIST: 6}
RAMP_S = 0.1
"""From an expired velocity to rest."""
JOIN_S = 2.0
RESTING = 0.002
"""rad of each joint by which an arm at rest may seem to move in a period."""
RESET_SPEED = 0.25
"""Share of each joint's top speed at which `reset` drives."""
STALE, STALE_S, STALE_TICKS = "stale", 0.5, 10
"""Fault of a state that is older than so long, and than so many ticks: the vendor's library hangs.

A change of its controllers takes less."""
_log = logging.getLogger(__name__)


class ServoArm(abc.ABC):
    """A `RobotDriver` over a vendor's streaming interface; entered before anything else, and once.

    What the vendor's library raises ends all motion and shows as a fault in the state; entering the driver again is the
    way back. A library that hangs shows as a fault for as long as it does.

    Args:
        spec: What the arm is.
        clock: Stamps states; its period is that of a client's commands.
        rate_hz: Of targets.
    """

    def __init__(self, spec: RobotSpec, clock: Clock, rate_hz: float) -> None:
        self._spec, self._clock, self._rate_hz = spec, clock, rate_hz
        self._stale_s = max(STALE_S, STALE_TICKS / rate_hz)
        self._path = Path(clock.period_s, RAMP_S)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._newest: RobotState | None = None
        self._grip: float | None = None
        self._halt = False
        self._fault = ""

    @property
    def spec(self) -> RobotSpec:
        """Return what the arm is."""
        return self._spec

    def __enter__(self) -> Self:
        if self._thread is not None and self._thread.is_alive():
            fix = "start the process again"
            raise DriverError(self._name, expected="a vendor's library that answers", got="one that hangs", fix=fix)
        try:
            self._connect()
            self._newest, self._fault = self._read(), ""
        except BaseException:
            self._let_go()
            raise
        self._path.leave()
        self._grip, self._halt = None, False
        self._ended.clear()
        self._thread = threading.Thread(target=self._serve, name=f"servo of {self._spec.name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        self._let_go()

    def command(self, command: RobotCommand) -> None:
        """Take a new set-point; see `Path` for what becomes of it.

        Raises:
            DriverError: If the arm does not support the mode, a fault has ended its motion, or its state is stale.
            SpecError: If the target does not have the mode's shape or is not finite.
        """
        if command.mode not in self._spec.modes:
            raise DriverError(self._name, expected=f"a mode of {self._spec.modes}", got=command.mode)
        size = SIZES.get(command.mode, len(self._spec.joint_names))
        target = command.target.tolist()
        if command.target.shape != (size,) or not all(map(math.isfinite, target)):
            raise SpecError(f"{command.mode} target", expected=f"{size} finite numbers", got=target)
        state, fault = self._checked(), self._fault or (STALE if self._is_stale() else "")
        if fault:
            raise DriverError(self._name, expected="an arm that moves", got=fault, fix="see to it, then restart")
        with self._lock:
            self._path.follow(command, _place(command.mode, state), self._now_s())
            self._grip = self._grip if command.gripper is None else command.gripper

    def state(self) -> RobotState:
        """Return the newest state; a new one with a fault at every call while it is stale.

        Raises:
            DriverError: If the driver has not been entered.
        """
        newest = self._checked()
        return replace(newest, faults=(*newest.faults, STALE)) if self._is_stale() else newest

    def stop(self) -> None:
        """Come to rest and hold."""
        with self._lock:
            self._path.leave()
            self._halt = True

    def reset(self, q: NDArray[np.float64] | None = None) -> None:
        """Drive there straight through joint space, and rest, also if that fails; blocks until there.

        Raises:
            DriverError: If the arm takes no joint positions, a fault ends its motion, or it does not get there.
        """
        try:
            self._drive(np.array(self._spec.q_home if q is None else q, np.float64))
        finally:
            self.stop()

    def _drive(self, goal: Vector) -> None:
        start = self._checked().q
        way_s = float((np.abs(goal - start) / (RESET_SPEED * np.array(self._spec.dq_max))).max())
        begun_s, pace, before = self._now_s(), WallClock(self._clock.period_s), start
        while True:
            passed_s = self._now_s() - begun_s
            share = min((passed_s + self._clock.period_s) / max(way_s, self._clock.period_s), 1.0)
            target = start + (3.0 - 2.0 * share) * share**2 * (goal - start)
            self.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target))
            pace.wait()
            q = self._checked().q
            short, moved, before = _farthest(q, goal), _farthest(q, before), q
            if share == 1.0 and short < self._spec.reset_tolerance and moved < RESTING:
                return
            if passed_s > 3.0 * way_s + 2.0:
                got = f"{short:.3f} rad short after {passed_s:.1f} s"
                raise DriverError(f"reset of {self._name}", expected="to get there", got=got)

    def _is_stale(self) -> bool:
        """Return whether the servo thread, though no fault has ended it, has not read the arm for too long."""
        return not self._fault and self._now_s() - self._checked().stamp_ns * 1e-9 > self._stale_s

    @property
    def _name(self) -> str:
        return f"arm '{self._spec.name}'"

    @abc.abstractmethod
    def _connect(self) -> None:
        """Reach the arm.

        Raises:
            ConfigError: If the vendor's library is missing.
            DriverError: If the arm does not answer, or may not be moved.
        """

    @abc.abstractmethod
    def _disconnect(self) -> None:
        """Let go of as much of the arm as has been reached; may be called twice."""

    @abc.abstractmethod
    def _read(self) -> RobotState:
        """Return a fresh state; in the servo thread, or before it starts."""

    @abc.abstractmethod
    def _send(self, reference: Reference, grip: float | None) -> None:
        """Tell the controller what to do for one tick; in the servo thread."""

    @abc.abstractmethod
    def _rest(self) -> None:
        """Tell the controller to come to rest; in the servo thread."""

    @abc.abstractmethod
    def _keep_alive(self) -> None:
        """Tell the controller, at every tick, that we are still there, if it wants to hear that."""

    def _checked(self) -> RobotState:
        if self._newest is None:
            raise DriverError(self._name, expected="a connection", got="none", fix="enter the driver first")
        return self._newest

    def _let_go(self) -> None:
        """Disconnect; what goes wrong there must not hide why."""
        try:
            self._disconnect()
        except Exception as error:  # noqa: BLE001  (each vendor has errors of its own)
            _log.error("%s: while disconnecting, %s: %s", self._name, type(error).__name__, error)

    def _now_s(self) -> float:
        return self._clock.now_ns() * 1e-9

    def _serve(self) -> None:
        pace = WallClock(1.0 / self._rate_hz)
        resting = True
        try:
            while not self._ended.is_set():
                resting = self._tick(resting)
                pace.wait()
            self._rest()
        except Exception as error:  # noqa: BLE001  (each vendor has errors of its own)
            self._fail(error)

    def _tick(self, resting: bool) -> bool:
        """Send what is due and read the arm; return whether it has been told to rest."""
        with self._lock:
            reference, grip, halt = self._path.at(self._now_s()), self._grip, self._halt
            self._halt = False
        if reference is None:
            if halt or not resting:
                self._rest()
        else:
            self._send(reference, grip)
        self._keep_alive()
        self._newest = self._read()
        return reference is None

    def _fail(self, error: Exception) -> None:
        _log.error("%s: %s: %s", self._name, type(error).__name__, error)
        self._fault = f"driver: {type(error).__name__}"
        if self._newest is not None:  # the rest stays as it was last seen, and grows old
            self._newest = replace(self._newest, faults=(*self._newest.faults, self._fault))


def _farthest(q: Vector, other: Vector) -> float:
    return float(np.abs(q - other).max())


def _place(mode: CommandMode, state: RobotState) -> Vector:
    """Return where the arm is, in the coordinates of a pose or of joint positions."""
    if mode is CommandMode.POSE and state.pose_tool_in_base is not None:
        return state.pose_tool_in_base.to_array()
    return state.q
