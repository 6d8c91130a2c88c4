"""How far, how fast and how hard an arm may be moved, and beyond what a person has to look."""

from collections.abc import Sequence
from dataclasses import dataclass

from robolearn.core.errors import ConfigError

_POSITIVE = [
    "speed",
    "acceleration",
    "jerk",
    "angular_speed",
    "angular_acceleration",
    "angular_jerk",
    "position_error",
    "rotation_error",
    "joint_error",
    "joint_speed_fraction",
    "joint_acceleration_fraction",
    "joint_speed_fault",
]
_NOT_NEGATIVE = ("joint_margin", "joint_overrun")


@dataclass(kw_only=True, slots=True)
class SafetyLimits:
    """What `SupervisedRobot` enforces; the defaults suit a Panda that follows a policy at 10 Hz.

    Set-points are limited in norm: |velocity|, |acceleration| and |jerk| of the translation, and of the rotation.
    Joint modes take their speeds and accelerations from the `RobotSpec`, times a fraction.
    """

    workspace_low: tuple[float, float, float] = (0.2, -0.5, 0.0)
    """Lower corner of the box that the tool's set-point may not leave, m in base."""
    workspace_high: tuple[float, float, float] = (0.8, 0.5, 0.8)
    speed: float = 1.0
    """m/s."""
    acceleration: float = 10.0
    """m/s^2; at 10 Hz the default stops full speed within one step."""
    jerk: float = 200.0
    """m/s^3."""
    angular_speed: float = 2.5
    """rad/s."""
    angular_acceleration: float = 25.0
    """rad/s^2."""
    angular_jerk: float = 500.0
    """rad/s^3."""
    tilt_max: float | None = None
    """Largest angle, rad, between the tool's z axis and straight down; None allows any."""
    position_error: float = 0.1
    """A set-point may lead the measured position by at most this, m: no wind-up against an obstacle."""
    rotation_error: float = 0.5
    """The same for the orientation, rad."""
    joint_error: float = 0.3
    """The same for each joint in the joint modes, rad."""
    joint_margin: float = 0.05
    """Joint set-points and reset configurations stay this far inside the joint limits, rad."""
    joint_speed_fraction: float = 0.8
    """Share of `RobotSpec.dq_max` that joint set-points may use."""
    joint_acceleration_fraction: float = 1.0
    """Share of `RobotSpec.ddq_max` that joint set-points may use."""
    joint_overrun: float = 0.02
    """A joint measured this far beyond its limit is a fault, rad."""
    joint_speed_fault: float = 1.5
    """A joint measured faster than this times `RobotSpec.dq_max` is a fault."""
    wrench_max: tuple[float, float] | None = (100.0, 30.0)
    """An external force (N) or torque (N m) beyond this is a fault, where sensed; None for no check."""
    tracking_fault: tuple[float, float] | None = (0.25, 1.0)
    """A tool this far from its set-point (m, rad) is a fault; None for no check."""

    def __post_init__(self) -> None:
        self.workspace_low = _triple("workspace_low", self.workspace_low)
        self.workspace_high = _triple("workspace_high", self.workspace_high)
        for low, high in zip(self.workspace_low, self.workspace_high, strict=True):
            if not low < high:
                raise ConfigError(
                    "safety.workspace_high", expected=f"above {self.workspace_low}", got=self.workspace_high
                )
        for name in _POSITIVE:
            value: float = getattr(self, name)
            if not value > 0.0:
                raise ConfigError(f"safety.{name}", expected="more than 0", got=value)
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if not value >= 0.0:
                raise ConfigError(f"safety.{name}", expected="0 or more", got=value)
        if self.tilt_max is not None and not self.tilt_max > 0.0:
            raise ConfigError("safety.tilt_max", expected="more than 0 rad, or null", got=self.tilt_max)
        self.wrench_max = _positive_pair("wrench_max", self.wrench_max)
        self.tracking_fault = _positive_pair("tracking_fault", self.tracking_fault)


def _triple(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) != 3 or any(value != value for value in values):
        raise ConfigError(f"safety.{name}", expected="3 numbers (m in base)", got=list(values))
    return (float(values[0]), float(values[1]), float(values[2]))


def _positive_pair(name: str, values: Sequence[float] | None) -> tuple[float, float] | None:
    if values is None:
        return None
    if len(values) != 2 or not all(value > 0.0 for value in values):
        raise ConfigError(f"safety.{name}", expected="2 numbers above 0, or null", got=list(values))
    return (float(values[0]), float(values[1]))
