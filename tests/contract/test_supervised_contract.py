"""What a `SupervisedRobot` must do over every driver, with real dynamics behind it where there is a simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs import Rig, fake_rig, sim_rig, so101_rig, supervised

from robolearn.core.errors import DriverError, SpecError
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.safety import SafetyLimits

LOW, HIGH = (0.3, -0.2, 0.15), (0.65, 0.2, 0.6)
RIGS = {"fake": fake_rig, "sim": sim_rig}
JOINTED = {**RIGS, "so101": so101_rig}
"""The arms that take joint positions, whether or not they know their pose."""
CACHE: dict[str, Rig] = {}


def limits() -> SafetyLimits:
    return SafetyLimits(workspace_low=LOW, workspace_high=HIGH, speed=0.4, wrench_max=None)


@pytest.fixture(params=RIGS)
def rig(request) -> Rig:
    return supervised(RIGS[request.param](), limits())


def pose(rig: Rig, position: tuple[float, ...] | np.ndarray, **more: object) -> RobotCommand:
    quat = rig.driver.state().pose_tool_in_base.quat_wxyz
    return RobotCommand(mode=CommandMode.POSE, target=np.concatenate([position, quat]), **more)


def test_the_applied_setpoint_is_echoed_with_its_number(rig):
    here = rig.driver.state().pose_tool_in_base.position
    rig.driver.command(pose(rig, here, seq=41, gripper=0.5))
    applied = rig.driver.state().applied
    assert (applied.seq, applied.mode, applied.gripper, applied.clipped) == (41, CommandMode.POSE, 0.5, ())
    assert np.array_equal(applied.target[:3], here)


@pytest.mark.parametrize("name", RIGS)
@given(st.lists(st.tuples(*[st.floats(-1.0, 1.5)] * 3), min_size=1, max_size=6))
@settings(max_examples=12)
def test_no_stream_of_poses_leaves_the_box_or_the_speed(name, stream):
    rig = CACHE.setdefault(name, supervised(RIGS[name](), limits()))
    rig.driver.reset_faults()
    rig.driver.reset()
    before = rig.driver.state().pose_tool_in_base.position
    for position in [p for p in stream for _ in range(4)]:
        rig.driver.command(pose(rig, position))
        rig.clock.wait()
        state = rig.driver.state()
        assert state.faults == ()
        target = state.applied.target[:3]
        assert (target >= np.array(LOW)).all()
        assert (target <= np.array(HIGH)).all()
        assert np.linalg.norm(target - before) <= 0.4 * 0.1 * (1 + 1e-5)
        before = target
        tool = state.pose_tool_in_base.position
        assert (tool >= np.array(LOW) - 0.01).all()  # real dynamics may overshoot a set-point a little
        assert (tool <= np.array(HIGH) + 0.01).all()


@pytest.mark.parametrize("name", RIGS)
def test_the_arm_keeps_up_with_half_a_metre_a_second(name):
    rig = supervised(RIGS[name]())
    y = rig.driver.state().pose_tool_in_base.position[1]
    x, _, z = rig.driver.state().pose_tool_in_base.position
    for step in range(1, 5):
        rig.driver.command(pose(rig, (x, y + 0.05 * step, z)))
        rig.clock.wait()
        assert rig.driver.state().applied.clipped == ()
    rig.clock.wait()
    assert rig.driver.state().pose_tool_in_base.position[1] - y == pytest.approx(0.2, abs=0.02)


def test_a_fault_stops_the_arm_and_only_a_reset_of_faults_lets_it_move(rig):
    for _ in range(3):
        rig.driver.command(RobotCommand(mode=CommandMode.TWIST, target=np.array([0, 0.15, 0, 0, 0, 0.0])))
        rig.clock.wait()
    with pytest.raises(DriverError, match="non_finite"):
        rig.driver.command(pose(rig, (math.nan, 0.0, 0.4)))
    for _ in range(4):
        rig.clock.wait()
    q = rig.driver.state().q
    for _ in range(5):
        rig.clock.wait()
    assert rig.driver.state().q == pytest.approx(q, abs=2e-3)
    for refused in (lambda: rig.driver.command(pose(rig, (0.5, 0.0, 0.4))), rig.driver.reset):
        with pytest.raises(DriverError, match="reset_faults"):
            refused()
    rig.driver.stop()  # always allowed
    assert rig.driver.state().faults == ("non_finite",)
    rig.driver.reset_faults()
    rig.driver.reset()
    rig.driver.command(pose(rig, (0.5, 0.0, 0.4)))


@pytest.mark.parametrize("name", JOINTED)
def test_a_reset_outside_of_the_joint_limits_is_refused(name):
    rig = supervised(JOINTED[name]())
    q_max = np.array(rig.driver.spec.q_max)
    with pytest.raises(SpecError, match=rig.driver.spec.joint_names[0]):
        rig.driver.reset(q_max)


@pytest.mark.parametrize("name", JOINTED)
def test_joint_setpoints_stay_inside_of_the_joint_limits(name):
    box = SafetyLimits(wrench_max=None, workspace_low=(-9.0, -9.0, -9.0), workspace_high=(9.0, 9.0, 9.0))
    rig = supervised(JOINTED[name](), box)
    spec = rig.driver.spec
    far = np.array(spec.q_home)
    far[0] = 50.0
    for _ in range(40):
        rig.driver.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=far))
        rig.clock.wait()
        assert rig.driver.state().faults == ()
        assert rig.driver.state().applied.target[0] <= spec.q_max[0] - 0.05 + 1e-6
    assert rig.driver.state().q[0] == pytest.approx(spec.q_max[0] - 0.05, abs=0.02)
