"""A fake arm behind a supervisor with narrow limits."""

import numpy as np
from fakes import DOWN, FakeArm, ManualClock

from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.safety import SafetyLimits, SupervisedRobot

LIMITS = SafetyLimits(
    workspace_low=(0.2, -0.3, 0.1),
    workspace_high=(0.8, 0.3, 0.6),
    speed=0.5,
    acceleration=4.0,
    jerk=120.0,
    angular_speed=1.0,
    angular_acceleration=8.0,
    angular_jerk=300.0,
    position_error=0.2,
    rotation_error=0.6,
)


def make(limits: SafetyLimits = LIMITS, **arm: object) -> tuple[SupervisedRobot, FakeArm, ManualClock]:
    clock = ManualClock(0.1)
    fake = FakeArm(clock, **arm)
    clock.parts.append(fake.advance)
    return SupervisedRobot(fake, limits, clock), fake, clock


def pose(x: float, y: float, z: float, quat_wxyz: np.ndarray = DOWN, **more: object) -> RobotCommand:
    return RobotCommand(mode=CommandMode.POSE, target=np.array([x, y, z, *quat_wxyz]), **more)
