"""Joint set-points of an arm whose links are known."""

import msgspec
import numpy as np
import pytest
from fakes import ManualClock

from robolearn.core.arms import PANDA
from robolearn.core.errors import SpecError
from robolearn.hardware.arms.mock import MockArm, MockConfig
from robolearn.safety import SafetyLimits, SupervisedRobot
from robolearn.safety.joints import JointLimiter
from robolearn.safety.reach import Reach


def test_a_way_to_a_home_outside_of_the_box_is_gone_to_its_end():
    """Home is 9 cm above this box; a stop just before it would end a fraction of a mm higher still."""
    limits = SafetyLimits(workspace_low=(0.3, -0.25, 0.02), workspace_high=(0.7, 0.25, 0.4))
    limiter, home = JointLimiter(limits, PANDA), np.array(PANDA.q_home)
    start = home + np.array([0.007, 0.039, 0.001, 0.022, -0.001, 0.017, 0.005])
    q, dt = start, 0.1
    state = limiter.anchor(q)
    for step in range(1, 21):
        target = start + step / 20 * (home - start)
        state, q, _ = limiter.position(state, target, q, dt, home)
    np.testing.assert_allclose(q, home, atol=1e-9)


def test_a_reset_from_a_corner_of_the_box_slides_along_its_sides_and_arrives():
    """The straight way from here rises above home, which is as high as the tool may be."""
    limits = SafetyLimits(workspace_low=(0.3, -0.25, 0.02), workspace_high=(0.7, 0.25, 0.4))
    limiter, home, dt = JointLimiter(limits, PANDA), np.array(PANDA.q_home), 0.1
    q = np.array([0.26, 0.66, 0.15, -0.97, -0.09, 1.63, -2.3])
    state, highest, slid = limiter.anchor(q), 0.0, False
    for _ in range(150):
        gap = home - q
        pace = min(dt / max(float((np.abs(gap) / (0.25 * np.array(PANDA.dq_max))).max()), 2.0 * dt), 1.0)
        state, q, names = limiter.position(state, q + pace * gap, q, dt, home)
        highest, slid = max(highest, Reach(PANDA).tool(q.tolist())[2]), slid or "workspace" in names
    np.testing.assert_allclose(q, home, atol=1e-3)
    assert slid, "otherwise this shows nothing"
    assert highest <= Reach(PANDA).tool(home.tolist())[2] + 0.03 + 1e-6


@pytest.mark.parametrize("links", [True, False])
def test_joint_velocities_expire_before_a_stop_would_end_out_of_a_joints_range(links):
    spec = PANDA if links else msgspec.structs.replace(PANDA, links=())
    limiter, dt = JointLimiter(SafetyLimits(), spec), 0.1
    q, dq = np.array(PANDA.q_home), np.array([0.0] * 6 + [1.7])
    q[6] = 2.2
    state, speed, _ = limiter.velocity(limiter.anchor(q, dq), dq, q, dq, dt)
    lasts = limiter.lasts_s(state, 5.0, dt)
    ends = q[6] + lasts * speed[6] + 0.5 * speed[6] ** 2 / PANDA.ddq_max[6]
    assert speed[6] > 1.0
    assert ends <= PANDA.q_max[6] - 0.05
    assert ends + dt * speed[6] > PANDA.q_max[6] - 0.05
    assert limiter.lasts_s(state, 0.05, dt) == 0.05


def test_a_goal_whose_tool_is_further_outside_of_the_box_than_home_is_refused():
    limits, home = SafetyLimits(), np.array(PANDA.q_home)
    robot = SupervisedRobot(MockArm(MockConfig(), ManualClock()), limits, ManualClock())
    robot.require_inside(home)
    with pytest.raises(SpecError, match=r"tool in the workspace box .*-0\.0"):
        robot.require_inside(np.array([0.0, 1.2, 0.0, -1.2, 0.0, 1.57, 0.78]))
    with pytest.raises(SpecError, match="7 finite joint angles"):
        robot.require_inside(home[:3])
