"""Set-points that an error clip holds back."""

import numpy as np
from fakes import DOWN, FakeArm, ManualClock

from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.safety import SafetyLimits, SupervisedRobot


def blocked(limits: SafetyLimits) -> tuple[SupervisedRobot, ManualClock]:
    clock = ManualClock(0.1)
    return SupervisedRobot(FakeArm(clock, gain=0.0), limits, clock), clock


def test_a_set_point_held_back_by_a_blocked_arm_is_a_motion_like_any_other():
    """Sending what was accepted leads to the same set-points, so that executed actions reproduce an episode."""
    tight = SafetyLimits(position_error=0.04)
    (clipped, clock), (sent, other) = blocked(tight), blocked(tight)
    rng, names = np.random.default_rng(7), list[str]()
    start, way = clipped.state().q.copy(), np.zeros(3)
    for _ in range(200):
        way = np.clip(way + rng.uniform(-0.06, 0.06, 3), -0.06, 0.06)
        target = np.concatenate([start + way, DOWN])
        clipped.command(RobotCommand(mode=CommandMode.POSE, target=target))
        accepted = clipped.state().applied
        sent.command(RobotCommand(mode=CommandMode.POSE, target=accepted.target))
        np.testing.assert_allclose(sent.state().applied.target, accepted.target, atol=1e-9)
        names += accepted.clipped
        clock.wait()
        other.wait()
    assert names.count("position_error") > 50
