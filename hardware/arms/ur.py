"""Universal Robots e-series arms over RTDE, by ur-rtde 1.6."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from typing_extensions import override

from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, rotvec_from_quat
from robolearn.core.protocols import Clock
from robolearn.core.robot import CommandMode, RobotSpec, RobotState
from robolearn.hardware.arms.path import VELOCITIES, Reference
from robolearn.hardware.arms.servo import ServoArm
from robolearn.safety import SafetyLimits

EXTRA = "pip install 'robolearn[ur]'"
LOOKAHEAD_S, GAIN = 0.05, 300.0
"""Of servoJ and servoL: how far ahead the controller smooths, and how stiffly it follows.

The vendor takes 0.03 to 0.2 s, and 100 to 2000."""
TCP_TOLERANCE_M = 0.005
JOINT_ACCELERATION_MAX, TOOL_ACCELERATION_MAX = 40.0, 150.0
"""rad/s^2, m/s^2; ur-rtde refuses more."""
STOP_S, STOP_SHARE = 0.05, 0.5
"""For so long, and for such a share of its watchdog's period, the controller may be left to stop by itself."""
BRAKING_S = 0.5
"""An arm that takes by so much longer to slow down than it should is stopped by the controller in any case."""
_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class UrConfig:
    """A UR5e, or another e-series arm that has been measured for it."""

    host: str = ""
    """Address of the arm's controller."""
    rate_hz: float = 500.0
    """Of targets; the controller's own rate."""
    joint_acceleration: float = 15.0
    """With which joint velocities change, and end, rad/s^2; a spec that has more is lowered to it."""
    tool_acceleration: float = 10.0
    """With which twists change, and end, and poses end: m/s^2, and for the rotation rad/s^2."""
    watchdog_hz: float = 10.0
    """The controller stops by itself if it hears less often from us."""
    tool_m: float = 0.0
    """From the flange to the tool centre point that is set on the controller, along the flange's z axis."""

    def __post_init__(self) -> None:
        if not 10.0 <= self.rate_hz <= 500.0:
            raise ConfigError("robot.rate_hz", expected="10 to 500 Hz", got=self.rate_hz)
        if not 0.0 < self.watchdog_hz <= self.rate_hz:
            raise ConfigError("robot.watchdog_hz", expected="above 0, and at most rate_hz", got=self.watchdog_hz)
        if not 0.0 < self.joint_acceleration <= JOINT_ACCELERATION_MAX:
            expected = f"above 0, and at most {JOINT_ACCELERATION_MAX} rad/s^2"
            raise ConfigError("robot.joint_acceleration", expected=expected, got=self.joint_acceleration)
        if not 0.0 < self.tool_acceleration <= TOOL_ACCELERATION_MAX:
            expected = f"above 0, and at most {TOOL_ACCELERATION_MAX} m/s^2"
            raise ConfigError("robot.tool_acceleration", expected=expected, got=self.tool_acceleration)

    def bound(self, limits: SafetyLimits) -> SafetyLimits:
        """Return limits that count on no harder stop than the arm is asked for."""
        tool = self.tool_acceleration
        bounded = dataclasses.replace(
            limits,
            acceleration=min(limits.acceleration, tool),
            angular_acceleration=min(limits.angular_acceleration, tool),
            joint_acceleration_fraction=min(limits.joint_acceleration_fraction, 1.0),
        )
        if bounded != limits:
            _log.info("safety: accelerations are lowered to robot.tool_acceleration, %g, and the arm's own", tool)
        return bounded


class UrArm(ServoArm):
    """One arm; poses and twists are those of the tool centre point that is set on the controller, in the arm's base.

    That point must be where the spec has it, for the workspace box to hold it in joint modes too.

    Args:
        cfg: Where it is.
        clock: Stamps states; its period is that of a client's commands.
        spec: What it is; as the driver's own, with the joint accelerations that the controller is asked for.
    """

    def __init__(self, cfg: UrConfig, clock: Clock, spec: RobotSpec) -> None:
        ddq_max = tuple(min(ddq, cfg.joint_acceleration) for ddq in spec.ddq_max)
        super().__init__(replace(spec, tool_m=cfg.tool_m, ddq_max=ddq_max), clock, cfg.rate_hz)
        self._cfg = cfg
        self._control: Any = None
        self._receive: Any = None
        self._sent: Reference | None = None
        self._packet_s, self._stamp_ns = math.nan, 0

    @override
    def _connect(self) -> None:
        if not self._cfg.host:
            raise ConfigError("robot.host", expected="the address of the arm's controller", got="nothing")
        try:
            from rtde_control import RTDEControlInterface
            from rtde_receive import RTDEReceiveInterface
        except ModuleNotFoundError as error:
            raise ConfigError("robot=ur", expected="ur-rtde", got="not installed", fix=EXTRA) from error
        try:
            self._receive = RTDEReceiveInterface(self._cfg.host, self._cfg.rate_hz)
            self._control = RTDEControlInterface(self._cfg.host, self._cfg.rate_hz)
        except RuntimeError as error:
            fix = "is it on, in remote control, and is nobody else in control of it?"
            raise DriverError(self._name, expected=f"an arm at {self._cfg.host}", got=str(error), fix=fix) from error
        self._require_tool(self._control.getTCPOffset())
        self._control.setWatchdog(self._cfg.watchdog_hz)
        self._sent, self._packet_s = None, math.nan

    def _require_tool(self, offset: list[float]) -> None:
        """Check the tool centre point that is set on the controller: position (m) and rotation vector in the flange."""
        wanted = 0.0, 0.0, self._cfg.tool_m
        if len(offset) != 6 or math.dist(offset[:3], wanted) > TCP_TOLERANCE_M:
            expected = f"the tool centre point at {_metres(wanted)} of the flange"
            fix = "set robot.tool_m, or the controller's TCP, so that they agree"
            raise DriverError(self._name, expected=expected, got=_metres(offset[:3]), fix=fix)

    @override
    def _disconnect(self) -> None:
        control, receive = self._control, self._receive
        self._control = self._receive = None
        try:
            if control is not None:
                control.stopScript()
                control.disconnect()
        finally:
            if receive is not None:
                receive.disconnect()

    @override
    def _read(self) -> RobotState:
        receive = self._receive
        self._stamp_packet(receive.getTimestamp())
        pose = np.array(receive.getActualTCPPose())
        return RobotState(
            stamp_ns=self._stamp_ns,
            clock_id=self._clock.clock_id,
            q=np.array(receive.getActualQ()),
            dq=np.array(receive.getActualQd()),
            pose_tool_in_base=Pose(pose[:3], quat_from_rotvec(pose[3:])),
            twist=np.array(receive.getActualTCPSpeed()),
            wrench=np.array(receive.getActualTCPForce()),
            faults=self._stops(),
        )

    def _stamp_packet(self, packet_s: float) -> None:
        """Stamp what the arm sent at a time of its own; what has been seen already keeps its stamp.

        Called before the rest is read: that may be newer than its stamp, never older.
        """
        if packet_s != self._packet_s:
            self._packet_s, self._stamp_ns = packet_s, self._clock.now_ns()

    @override
    def _send(self, reference: Reference, grip: float | None) -> None:
        if self._sent is not None and self._sent.mode is not reference.mode:
            self._rest()
        self._sent = reference
        if not self._tell(reference.mode, reference.target):
            raise DriverError(self._name, expected="the controller to take a target", got="a refusal")

    def _tell(self, mode: CommandMode, target: Vector) -> bool:
        """Send a target; return whether the controller took it."""
        control, period_s = self._control, 1.0 / self._rate_hz
        match mode:
            case CommandMode.POSE:
                return control.servoL(_tcp(target), 0.0, 0.0, period_s, LOOKAHEAD_S, GAIN)
            case CommandMode.JOINT_POSITION:
                return control.servoJ(target.tolist(), 0.0, 0.0, period_s, LOOKAHEAD_S, GAIN)
            case CommandMode.TWIST:
                return control.speedL(target.tolist(), self._cfg.tool_acceleration, period_s)
            case CommandMode.JOINT_VELOCITY:
                return control.speedJ(target.tolist(), self._cfg.joint_acceleration, period_s)

    @override
    def _rest(self) -> None:
        sent, self._sent = self._sent, None
        if sent is None:
            return
        self._slow_down(sent)
        if sent.mode in VELOCITIES:  # which ends as it went: of the tool, or of the joints
            self._control.speedStop(self._acceleration(sent.mode))
        else:
            self._control.servoStop(self._cfg.tool_acceleration)

    def _slow_down(self, sent: Reference) -> None:
        """Send targets until the controller's own stop, in which its watchdog hears nothing, is a short one.

        Places are held, as accepted. Velocities fall as steeply as the supervisor counts on: each joint's, where the
        controller would let all of them take as long as the fastest, or the translation and the rotation.
        """
        most_s = min(STOP_S, STOP_SHARE / self._cfg.watchdog_hz)
        pace, begun_s = WallClock(1.0 / self._rate_hz), self._now_s()
        start, target = self._checked(), sent.target
        state, passed_s, end_s = start, 0.0, self._stop_s(start) + BRAKING_S
        while passed_s < end_s and self._stop_s(state) > most_s:
            if sent.mode in VELOCITIES:
                by = self._acceleration(sent.mode) * (passed_s + pace.period_s)
                target = _slowed(sent.mode, _velocity(sent.mode, start), by)
            if not self._tell(sent.mode, target):
                return
            self._keep_alive()
            pace.wait()
            self._newest = state = self._read()
            passed_s = self._now_s() - begun_s

    def _acceleration(self, mode: CommandMode) -> float:
        return self._cfg.joint_acceleration if mode is CommandMode.JOINT_VELOCITY else self._cfg.tool_acceleration

    def _stop_s(self, state: RobotState) -> float:
        """Return for how long the controller's own stop would take."""
        modes = CommandMode.JOINT_VELOCITY, CommandMode.TWIST
        return max(float(_speeds(mode, _velocity(mode, state)).max()) / self._acceleration(mode) for mode in modes)

    @override
    def _keep_alive(self) -> None:
        self._control.kickWatchdog()

    def _stops(self) -> tuple[str, ...]:
        """Return what keeps the arm from moving."""
        receive = self._receive
        stops = {
            "emergency_stop": receive.isEmergencyStopped(),
            "protective_stop": receive.isProtectiveStopped(),
            "connection": not receive.isConnected(),
            "control_script": not self._control.isProgramRunning(),
        }
        return tuple(name for name, on in stops.items() if on)


def _metres(position: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.3f}' for value in position)}) m"


def _tcp(pose: Vector) -> list[float]:
    """Return a pose (7,) as position and rotation vector (6)."""
    return [*pose[:3].tolist(), *rotvec_from_quat(pose[3:]).tolist()]


def _velocity(mode: CommandMode, state: RobotState) -> Vector:
    """Return the measured velocity in the coordinates of a mode of velocities."""
    if mode is CommandMode.JOINT_VELOCITY:
        return state.dq
    assert state.twist is not None
    return state.twist


def _speeds(mode: CommandMode, velocity: Vector) -> Vector:
    """Return (n, 1) of each joint, or (2, 1) of translation and rotation."""
    return np.linalg.norm(velocity.reshape(-1, 3 if mode is CommandMode.TWIST else 1), axis=1, keepdims=True)


def _slowed(mode: CommandMode, velocity: Vector, by: float) -> Vector:
    """Return a velocity each of whose speeds is lower by so much, or zero."""
    speeds = _speeds(mode, velocity)
    shares = np.maximum(speeds - by, 0.0) / np.maximum(speeds, 1e-9)
    return (shares * velocity.reshape(len(speeds), -1)).ravel()
