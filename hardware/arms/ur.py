"""Universal Robots e-series arms over RTDE, by ur-rtde 1.6."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from typing_extensions import override

from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, rotvec_from_quat
from robolearn.core.protocols import Clock
from robolearn.core.robot import CommandMode, RobotSpec, RobotState
from robolearn.hardware.arms.path import VELOCITIES, Reference
from robolearn.hardware.arms.servo import ServoArm

EXTRA = "pip install 'robolearn[ur]'"
LOOKAHEAD_S, GAIN = 0.05, 300.0
"""Of servoJ and servoL: how far ahead the controller smooths, and how stiffly it follows.

The vendor takes 0.03 to 0.2 s, and 100 to 2000."""
TCP_TOLERANCE_M = 0.005


@dataclass(kw_only=True, slots=True)
class UrConfig:
    """A UR5e, or another e-series arm that has been measured for it."""

    host: str = ""
    """Address of the arm's controller."""
    rate_hz: float = 500.0
    """Of targets; the controller's own rate."""
    deceleration: float = 2.0
    """Of a stop: rad/s^2 of joints, m/s^2 of the tool."""
    watchdog_hz: float = 10.0
    """The controller stops by itself if it hears less often from us."""
    tool_m: float = 0.0
    """From the flange to the tool centre point that is set on the controller, along the flange's z axis."""

    def __post_init__(self) -> None:
        if not 10.0 <= self.rate_hz <= 500.0:
            raise ConfigError("robot.rate_hz", expected="10 to 500 Hz", got=self.rate_hz)
        if self.deceleration <= 0.0 or not 0.0 < self.watchdog_hz <= self.rate_hz:
            raise ConfigError("robot", expected="a deceleration above 0, a watchdog below rate_hz", got=self)


class UrArm(ServoArm):
    """One arm; poses and twists are those of the tool centre point that is set on the controller, in the arm's base.

    That point must be where the spec has it, for the workspace box to hold it in joint modes too.

    Args:
        cfg: Where it is.
        clock: Stamps states; its period is that of a client's commands.
        spec: What it is.
    """

    def __init__(self, cfg: UrConfig, clock: Clock, spec: RobotSpec) -> None:
        braking_s = max(spec.dq_max) / cfg.deceleration
        super().__init__(replace(spec, tool_m=cfg.tool_m), clock, cfg.rate_hz, braking_s)
        self._cfg = cfg
        self._control: Any = None
        self._receive: Any = None
        self._moving: CommandMode | None = None

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
        stamp_ns = self._clock.now_ns()
        pose = np.array(receive.getActualTCPPose())
        return RobotState(
            stamp_ns=stamp_ns,
            clock_id=self._clock.clock_id,
            q=np.array(receive.getActualQ()),
            dq=np.array(receive.getActualQd()),
            pose_tool_in_base=Pose(pose[:3], quat_from_rotvec(pose[3:])),
            twist=np.array(receive.getActualTCPSpeed()),
            wrench=np.array(receive.getActualTCPForce()),
            faults=self._stops(),
        )

    @override
    def _send(self, reference: Reference, grip: float | None) -> None:
        mode, target, period_s = reference.mode, reference.target, 1.0 / self._rate_hz
        if self._moving is not None and self._moving is not mode:
            self._rest()
        self._moving = mode
        control, deceleration = self._control, self._cfg.deceleration
        match mode:
            case CommandMode.POSE:
                taken = control.servoL(_tcp(target), 0.0, 0.0, period_s, LOOKAHEAD_S, GAIN)
            case CommandMode.JOINT_POSITION:
                taken = control.servoJ(target.tolist(), 0.0, 0.0, period_s, LOOKAHEAD_S, GAIN)
            case CommandMode.TWIST:
                taken = control.speedL(target.tolist(), deceleration, period_s)
            case CommandMode.JOINT_VELOCITY:
                taken = control.speedJ(target.tolist(), deceleration, period_s)
        if not taken:
            raise DriverError(self._name, expected="the controller to take a target", got="a refusal")

    @override
    def _rest(self) -> None:
        if self._moving in VELOCITIES:
            self._control.speedStop(self._cfg.deceleration)
        elif self._moving is not None:
            self._control.servoStop(self._cfg.deceleration)
        self._moving = None

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
        }
        return tuple(name for name, on in stops.items() if on)


def _metres(position: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.3f}' for value in position)}) m"


def _tcp(pose: Vector) -> list[float]:
    """Return a pose (7,) as position and rotation vector (6)."""
    return [*pose[:3].tolist(), *rotvec_from_quat(pose[3:]).tolist()]
