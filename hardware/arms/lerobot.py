"""Any arm that LeRobot drives (huggingface/lerobot 0.4, `lerobot.robots.Robot`), by its names and shape, not its class."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import replace
from typing_extensions import override

from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import Vector
from robolearn.core.protocols import Clock
from robolearn.core.robot import RobotSpec, RobotState
from robolearn.hardware.arms.path import Reference
from robolearn.hardware.arms.servo import ServoArm
from robolearn.hardware.plugin import named

POSITION = ".pos"
"""End of the names of joints in LeRobot's observations and actions."""
GRIPPER = "gripper"
_DEGREE = math.pi / 180.0
_OPEN = 100.0
"""LeRobot's number for an open gripper; 0 is closed."""
RESET_TOLERANCE = 0.05
"""rad; motors give way a little to the arm's weight."""

SO101_KWARGS = {"port": "/dev/ttyACM0", "use_degrees": True, "disable_torque_on_disconnect": False}
"""Torque stays on when the server ends: without it the arm would fall."""


@dataclass(kw_only=True, slots=True)
class LeRobotConfig:
    """An arm of LeRobot; by default an SO-101 whose joints are calibrated in degrees."""

    robot: str = "lerobot.robots.so_follower.so_follower:SOFollower"
    """`module:class` of the robot; one argument, its configuration."""
    config: str = "lerobot.robots.so_follower.config_so_follower:SOFollowerRobotConfig"
    """`module:class` of the configuration."""
    kwargs: dict[str, Any] = field(default_factory=lambda: dict(SO101_KWARGS))
    """Arguments of the configuration."""
    rate_hz: float = 50.0
    """Of targets; each is a message on the arm's bus."""

    def __post_init__(self) -> None:
        self.kwargs = dict(self.kwargs)
        if not 5.0 <= self.rate_hz <= 200.0:
            raise ConfigError("robot.rate_hz", expected="5 to 200 Hz", got=self.rate_hz)


class LeRobotArm(ServoArm):
    """One arm that takes joint positions; what it does not sense (speeds) is worked out from where it was.

    Args:
        cfg: Which one.
        clock: Stamps states; its period is that of a client's commands.
        spec: What it is; its joints have LeRobot's names, without `.pos`.
    """

    def __init__(self, cfg: LeRobotConfig, clock: Clock, spec: RobotSpec) -> None:
        super().__init__(replace(spec, reset_tolerance=RESET_TOLERANCE), clock, cfg.rate_hz)
        self._cfg = cfg
        self._robot: Any = None
        self._before: RobotState | None = None

    @override
    def _connect(self) -> None:
        make, config = named(self._cfg.robot, "robot.robot"), named(self._cfg.config, "robot.config")
        try:
            self._robot = make(config(**self._cfg.kwargs))
        except TypeError as error:
            raise ConfigError("robot.kwargs", expected=f"arguments of {self._cfg.config}", got=str(error)) from error
        wanted = {f"{name}{POSITION}" for name in self._joints}
        known = set(self._robot.action_features)
        if known != wanted:
            raise ConfigError("robot", expected=f"the joints {sorted(wanted)}", got=sorted(known))
        try:
            self._robot.connect(calibrate=False)
        except (ConnectionError, OSError) as error:
            fix = "is it plugged in and powered, and may you open its port? `robolearn doctor` looks"
            raise DriverError(self._name, expected="an arm that answers", got=str(error), fix=fix) from error
        if not self._robot.is_calibrated:
            raise DriverError(self._name, expected="a calibrated arm", got="none", fix="lerobot-calibrate first")
        self._before = None

    @override
    def _disconnect(self) -> None:
        robot, self._robot = self._robot, None
        if robot is not None and robot.is_connected:
            robot.disconnect()

    @override
    def _read(self) -> RobotState:
        seen = self._robot.get_observation()
        stamp_ns = self._clock.now_ns()
        q = np.array([float(seen[name + POSITION]) for name in self._spec.joint_names]) * _DEGREE
        gripper = None
        if self._spec.gripper_max_m is not None:
            gripper = min(max(float(seen[GRIPPER + POSITION]) / _OPEN, 0.0), 1.0)
        dq, speed = np.zeros_like(q), 0.0
        before = self._before
        if before is not None and stamp_ns > before.stamp_ns:
            passed_s = (stamp_ns - before.stamp_ns) * 1e-9
            dq = (q - before.q) / passed_s
            speed = 0.0 if gripper is None or before.gripper is None else (gripper - before.gripper) / passed_s
        self._before = RobotState(
            stamp_ns=stamp_ns,
            clock_id=self._clock.clock_id,
            q=q,
            dq=dq,
            gripper=gripper,
            gripper_speed=None if gripper is None else speed,
        )
        return self._before

    @override
    def _send(self, reference: Reference, grip: float | None) -> None:
        self._robot.send_action(self._action(reference.target, grip))

    @override
    def _rest(self) -> None:
        """Hold where the arm is: its motors keep the last target, which may lie ahead."""
        state = self._checked()
        self._robot.send_action(self._action(state.q, None))

    @override
    def _keep_alive(self) -> None:
        """Do nothing: motors on a bus do not ask."""

    @property
    def _joints(self) -> tuple[str, ...]:
        return (*self._spec.joint_names, *((GRIPPER,) if self._spec.gripper_max_m is not None else ()))

    def _action(self, q: Vector, grip: float | None) -> dict[str, float]:
        action = {
            name + POSITION: float(angle) for name, angle in zip(self._spec.joint_names, q / _DEGREE, strict=True)
        }
        if grip is not None:
            action[GRIPPER + POSITION] = grip * _OPEN
        return action
