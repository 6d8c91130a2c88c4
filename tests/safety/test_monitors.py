"""States that a monitor finds bad."""

import math

import numpy as np
import pytest
from guarded import make, pose

from robolearn.core.errors import DriverError
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.safety import SafetyLimits


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (lambda arm: setattr(arm, "q", np.array([2.5, 0.0, 0.0])), "joint_limit:x"),
        (lambda arm: setattr(arm, "dq", np.array([0.0, -3.5, 0.0])), "joint_speed:y"),
        (lambda arm: setattr(arm, "q", np.array([math.nan, 0.0, 0.0])), "state_non_finite"),
        (lambda arm: setattr(arm, "wrench", np.array([0.0, 0.0, 120.0, 0.0, 0.0, 0.0])), "force"),
        (lambda arm: setattr(arm, "wrench", np.array([0.0] * 3 + [31.0, 0.0, 0.0])), "torque"),
        (lambda arm: setattr(arm, "wrench", np.full(6, math.nan)), "force"),
        (lambda arm: setattr(arm, "faults", ("reflex",)), "driver:reflex"),
    ],
)
def test_monitors_latch_and_stop_and_stay_latched(break_it, fault):
    robot, fake, _ = make()
    healthy = (fake.q.copy(), fake.dq.copy(), fake.wrench.copy())
    break_it(fake)
    assert fault in robot.state().faults
    assert fake.stops == 1
    fake.q, fake.dq, fake.wrench = healthy
    fake.faults = ()
    assert fault in robot.state().faults
    robot.reset_faults()
    assert robot.state().faults == ()


def test_a_fault_that_persists_latches_again_after_a_reset():
    robot, fake, _ = make()
    fake.faults = ("reflex",)
    robot.state()
    robot.reset_faults()
    with pytest.raises(DriverError, match="driver:reflex"):
        robot.command(pose(0.5, 0.0, 0.4))


def test_a_tool_pushed_away_from_its_setpoint_is_a_fault():
    robot, fake, clock = make()
    robot.command(pose(0.5, 0.0, 0.4))
    fake.gain = 0.0
    fake.q = np.array([0.5, 0.3, 0.4])
    clock.wait()
    assert robot.state().faults == ("tracking_position",)


@pytest.mark.parametrize(("speed", "fault"), [(0.5, True), (0.1, False), (-0.5, False)])
def test_a_joint_motion_that_would_come_to_rest_outside_of_the_box_is_stopped(speed, fault):
    """From 0.7 m at 0.5 m/s: a period on 0.75 m, and 0.0125 m more to brake at 10 m/s^2; the box ends at 0.76 m."""
    robot, fake, _ = make(SafetyLimits(workspace_low=(0.2, -0.5, 0.0), workspace_high=(0.76, 0.5, 0.8)))
    fake.q = np.array([0.7, 0.0, 0.4])
    robot.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=np.array([speed, 0.0, 0.0])))
    fake.dq = np.array([speed, 0.0, 0.0])
    assert robot.state().faults == (("workspace",) if fault else ())
    fake.q, fake.dq = np.array([0.9, 0.0, 0.4]), np.zeros(3)
    robot.reset_faults()
    robot.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=np.zeros(3)))
    fake.dq = np.array([-0.3, 0.0, 0.0])
    assert robot.state().faults == (), "back into the box it may always go"


def test_monitors_can_be_switched_off_by_name():
    robot, fake, _ = make(SafetyLimits(wrench_max=None, tracking_fault=None))
    fake.wrench = np.full(6, 1e6)
    assert robot.state().faults == ()
