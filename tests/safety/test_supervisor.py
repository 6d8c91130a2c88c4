import itertools
import math

import numpy as np
import pytest
from fakes import DOWN
from guarded import LIMITS, make, pose
from hypothesis import given, settings
from hypothesis import strategies as st

from robolearn.core.errors import DriverError, SpecError
from robolearn.core.geometry import quat_from_rotvec, quat_multiply, rotation_error
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.safety import SafetyLimits

wild = st.one_of(
    st.floats(-1.0, 1.0), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([1e300, -1e300, math.nan])
)


@st.composite
def wild_commands(draw: st.DrawFn) -> RobotCommand:
    position = [draw(wild) for _ in range(3)]
    rotvec = np.array([draw(st.floats(-3.0, 3.0)) for _ in range(3)])
    quat = quat_multiply(quat_from_rotvec(rotvec), DOWN)
    return RobotCommand(
        mode=CommandMode.POSE, target=np.array([*position, *quat]), gripper=draw(st.one_of(st.none(), wild))
    )


@given(st.lists(wild_commands(), min_size=1, max_size=30))
@settings(max_examples=80)
def test_random_pose_streams_never_leave_the_limits(commands):
    robot, fake, clock = make()
    state = robot.state()
    positions, quats = [state.q] * 3, [fake.quat_wxyz] * 3
    for command in commands:
        finite = np.isfinite(command.target).all() and (command.gripper is None or math.isfinite(command.gripper))
        measured, turned = fake.q.copy(), fake.quat_wxyz.copy()
        try:
            robot.command(command)
        except DriverError:
            assert not finite
            assert robot.faults == ("non_finite",)
            robot.reset_faults()
            positions, quats = [fake.q.copy()] * 3, [fake.quat_wxyz.copy()] * 3
            continue
        assert finite
        applied = robot.state().applied
        assert applied.gripper is None or 0.0 <= applied.gripper <= 1.0
        positions.append(applied.target[:3])
        quats.append(applied.target[3:])
        assert_within(np.array(positions[-4:]), np.array(quats[-4:]))
        assert np.linalg.norm(applied.target[:3] - measured) <= LIMITS.position_error * (1 + 1e-5)
        assert np.linalg.norm(rotation_error(applied.target[3:], turned)) <= LIMITS.rotation_error * (1 + 1e-5)
        clock.wait()


def assert_within(p: np.ndarray, quats: np.ndarray) -> None:
    dt, slack = 0.1, 1.0 + 1e-4
    assert (p[-1] >= np.array(LIMITS.workspace_low)).all()
    assert (p[-1] <= np.array(LIMITS.workspace_high)).all()
    assert np.linalg.norm(np.diff(p, axis=0)[-1]) / dt <= LIMITS.speed * slack
    assert np.linalg.norm(np.diff(p, 2, axis=0)[-1]) / dt**2 <= LIMITS.acceleration * slack
    assert np.linalg.norm(np.diff(p, 3, axis=0)[-1]) / dt**3 <= LIMITS.jerk * slack
    spin = np.array([rotation_error(b, a) / dt for a, b in itertools.pairwise(quats)])
    assert np.linalg.norm(spin[-1]) <= LIMITS.angular_speed * slack
    assert np.linalg.norm(np.diff(spin, axis=0)[-1]) / dt <= LIMITS.angular_acceleration * slack
    assert np.linalg.norm(np.diff(spin, 2, axis=0)[-1]) / dt**2 <= LIMITS.angular_jerk * slack


@given(st.lists(wild_commands().filter(lambda c: np.isfinite(c.target).all()), min_size=1, max_size=8))
def test_resending_an_accepted_setpoint_changes_nothing(commands):
    robot, _, clock = make()
    for command in commands:
        robot.command(RobotCommand(mode=command.mode, target=command.target))
        accepted = robot.state().applied
        robot.command(RobotCommand(mode=command.mode, target=accepted.target))
        again = robot.state().applied
        assert again.clipped == ()
        assert np.array_equal(again.target, accepted.target)
        clock.wait()


@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 6), min_size=1, max_size=25))
def test_random_twist_streams_keep_rates_and_box(twists):
    robot, fake, clock = make()
    before = np.zeros(3)
    for twist in twists:
        robot.command(RobotCommand(mode=CommandMode.TWIST, target=np.array(twist)))
        v = robot.state().applied.target
        assert np.linalg.norm(v[:3]) <= LIMITS.speed * (1 + 1e-4)
        assert np.linalg.norm(v[3:]) <= LIMITS.angular_speed * (1 + 1e-4)
        assert np.linalg.norm(v[:3] - before) <= LIMITS.acceleration * 0.1 * (1 + 1e-4)
        before = v[:3]
        clock.wait()
        assert (fake.q >= np.array(LIMITS.workspace_low) - 1e-6).all()
        assert (fake.q <= np.array(LIMITS.workspace_high) + 1e-6).all()


@pytest.mark.parametrize("mode", [CommandMode.JOINT_POSITION, CommandMode.JOINT_VELOCITY])
@given(targets=st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3), min_size=1, max_size=40))
def test_random_joint_streams_keep_position_speed_and_acceleration(mode, targets):
    robot, fake, clock = make(SafetyLimits(workspace_low=(-3.0,) * 3, workspace_high=(3.0,) * 3, joint_error=10.0))
    dq_before, q_before = np.zeros(3), fake.q.copy()
    for target in targets + targets[-1:] * 8:
        robot.command(RobotCommand(mode=mode, target=np.array(target)))
        accepted = robot.state().applied.target
        dq = accepted if mode is CommandMode.JOINT_VELOCITY else (accepted - q_before) / 0.1
        assert (np.abs(dq) <= 0.8 * 2.0 * (1 + 1e-5)).all()
        assert (np.abs(dq - dq_before) <= 10.0 * 0.1 * (1 + 1e-4)).all()
        clock.wait()
        dq_before, q_before = dq, fake.q.copy()
        assert (np.abs(fake.q) <= 2.0 - 0.05 + 1e-5).all()


def test_zero_delta_holds_exactly_and_names_nothing():
    robot, fake, clock = make()
    here = robot.state().q
    for _ in range(5):
        robot.command(pose(*here))
        assert robot.state().applied.clipped == ()
        assert np.array_equal(robot.state().applied.target, [*here, *DOWN])
        clock.wait()
    assert np.array_equal(fake.q, here)


def test_the_defaults_let_a_10_hz_policy_move_and_reverse_at_half_a_metre_a_second():
    robot, fake, clock = make(SafetyLimits())
    x = fake.q[0]
    for delta in [0.05] * 4 + [-0.05] * 6 + [0.0] + [0.05] * 2:
        x += delta
        robot.command(pose(x, 0.0, 0.4))
        assert robot.state().applied.clipped == ()
        clock.wait()


def test_names_come_in_order_of_application():
    robot, _, _ = make()
    robot.command(pose(5.0, 0.0, 0.4, gripper=3.0))
    applied = robot.state().applied
    # to the box at 0.8, i.e. 3 m/s wanted; 0.5 m/s by speed; 0.4 m/s by 4 m/s^2 * 0.1 s
    assert applied.clipped == ("workspace", "speed", "acceleration", "gripper")
    assert applied.target[:3] == pytest.approx([0.54, 0.0, 0.4])
    assert applied.gripper == 1.0


def test_rotation_is_limited_by_hand():
    robot, _, _ = make()
    robot.command(pose(0.5, 0.0, 0.4, quat_multiply(quat_from_rotvec(np.array([0.0, 0.0, 1.0])), DOWN)))
    applied = robot.state().applied
    assert applied.clipped == ("angular_speed", "angular_acceleration")
    # 8 rad/s^2 * (0.1 s)^2
    assert rotation_error(applied.target[3:], DOWN) == pytest.approx([0.0, 0.0, 0.08])


def test_a_blocked_arm_does_not_wind_up():
    robot, fake, clock = make(gain=0.0)
    for step in range(20):
        robot.command(pose(0.5 + 0.03 * step, 0.0, 0.4))
        applied = robot.state().applied
        assert np.linalg.norm(applied.target[:3] - fake.q) <= 0.2 + 1e-9
        clock.wait()
    assert "position_error" in applied.clipped
    fake.gain = 1.0
    robot.command(pose(0.5, 0.0, 0.4))
    assert robot.state().applied.target[0] < 0.7  # comes back at once


def test_tilt_stays_in_its_window():
    robot, _, clock = make(SafetyLimits(tilt_max=0.3, rotation_error=3.0))
    tilted = quat_multiply(quat_from_rotvec(np.array([1.0, 0.0, 0.0])), DOWN)
    for _ in range(10):
        robot.command(pose(0.5, 0.0, 0.4, tilted))
        target = robot.state().applied.target[3:]
        assert np.linalg.norm(rotation_error(target, DOWN)) <= 0.3 + 1e-6
        clock.wait()
    assert robot.state().applied.clipped == ("tilt",)
    assert rotation_error(target, DOWN) == pytest.approx([0.3, 0.0, 0.0], abs=1e-6)


def test_a_burst_buys_no_speed():
    robot, fake, clock = make(SafetyLimits(speed=0.5, joint_speed_fault=1e3))
    for step in range(20):
        robot.command(pose(0.5 + 0.05 * (step + 1), 0.0, 0.4))
        clock.advance(0.001)
    assert fake.q[0] <= 0.5 + 0.05 + 1e-9


def test_a_pause_longer_than_validity_means_rest():
    robot, fake, clock = make()
    for _ in range(3):
        robot.command(pose(0.8, 0.0, 0.4, valid_for_s=0.2))
        clock.wait()
    clock.advance(5.0)
    x = fake.q[0]
    robot.command(pose(0.2, 0.0, 0.4))
    # from rest: at most 4 m/s^2 * (0.1 s)^2, not five seconds' worth
    assert robot.state().applied.target[0] == pytest.approx(x - 0.04, abs=0.02)


def test_a_velocity_is_ramped_up_and_down():
    robot, _, clock = make()
    seen = []
    for wanted in [0.5] * 3 + [0.0] * 3:
        robot.command(RobotCommand(mode=CommandMode.TWIST, target=np.array([0.0, wanted, 0.0, 0.0, 0.0, 0.0])))
        seen.append(robot.state().applied.target[1])
        clock.wait()
    # 4 m/s^2 * 0.1 s a step
    assert seen == pytest.approx([0.4, 0.5, 0.5, 0.1, 0.0, 0.0])


def test_changing_the_mode_starts_from_what_is_measured():
    robot, fake, clock = make()
    robot.command(pose(0.53, 0.0, 0.4))
    clock.wait()
    robot.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=fake.q.copy()))
    assert np.array_equal(robot.state().applied.target, fake.q)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (pose(math.nan, 0.0, 0.4), "non_finite"),
        (pose(math.inf, 0.0, 0.4), "non_finite"),
        (pose(0.5, 0.0, 0.4, gripper=math.nan), "non_finite"),
        (RobotCommand(mode=CommandMode.POSE, target=np.zeros(6)), "shape"),
        (RobotCommand(mode=CommandMode.TWIST, target=np.zeros(7)), "shape"),
        (RobotCommand(mode=CommandMode.JOINT_POSITION, target=np.zeros((3, 1))), "shape"),
        (RobotCommand(mode=CommandMode.POSE, target=np.zeros(7)), "quaternion"),
        (pose(0.5, 0.0, 0.4, valid_for_s=math.nan), "valid_for"),
        (pose(0.5, 0.0, 0.4, valid_for_s=0.0), "valid_for"),
    ],
)
def test_an_unusable_command_latches_stops_and_is_not_passed_on(command, fault):
    robot, fake, _ = make()
    robot.command(pose(0.5, 0.0, 0.4))
    with pytest.raises(DriverError, match=fault):
        robot.command(command)
    assert fake.stops == 1
    assert robot.state().faults == (fault,)
    assert robot.state().applied is None
    with pytest.raises(DriverError, match="reset_faults"):
        robot.command(pose(0.5, 0.0, 0.4))
    with pytest.raises(DriverError, match=fault):
        robot.reset()
    assert fake.commands == []
    robot.reset_faults()
    robot.command(pose(0.5, 0.0, 0.4))
    assert len(fake.commands) == 1


def test_an_unsupported_mode_is_refused_without_a_fault():
    robot, _, _ = make(modes=(CommandMode.POSE,))
    with pytest.raises(DriverError, match="twist"):
        robot.command(RobotCommand(mode=CommandMode.TWIST, target=np.zeros(6)))
    assert robot.faults == ()


def test_pose_mode_without_a_sensed_pose_is_refused():
    robot, _, _ = make(senses=())
    with pytest.raises(DriverError, match="pose_tool_in_base"):
        robot.command(pose(0.5, 0.0, 0.4))


@pytest.mark.parametrize("q", [[0.0, 0.0, 1.96], [0.0, math.nan, 0.0], [0.0, 0.0]])
def test_reset_checks_its_configuration(q):
    robot, fake, _ = make()
    before = fake.q.copy()
    with pytest.raises(SpecError, match="reset of arm 'arm'"):
        robot.reset(np.array(q))
    assert np.array_equal(fake.q, before)


def test_reset_forgets_the_setpoint_and_passes_failures_on():
    robot, fake, _ = make()
    robot.command(pose(0.53, 0.0, 0.4))
    robot.reset(np.array([0.4, 0.1, 0.3]))
    assert robot.state().applied is None
    assert np.array_equal(fake.q, [0.4, 0.1, 0.3])
    fake.reset_fails = True
    with pytest.raises(DriverError, match="blocked"):
        robot.reset()


def test_leaving_stops_the_arm_and_releases_the_driver():
    robot, fake, _ = make()
    with robot:
        robot.command(pose(0.5, 0.0, 0.4))
        assert fake.entered == 1
    assert (fake.entered, fake.stops) == (0, 1)


def test_what_was_accepted_cannot_be_edited_and_inputs_are_left_alone():
    robot, _, _ = make()
    command = pose(5.0, 0.0, 0.4)
    asked = command.target.copy()
    robot.command(command)
    assert np.array_equal(command.target, asked)
    with pytest.raises(ValueError, match="read-only"):
        robot.state().applied.target[0] = 9.0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_a_restored_supervisor_continues_bit_for_bit(seed):
    rng = np.random.default_rng(seed)
    commands = [pose(*rng.uniform([0.1, -0.4, 0.0], [0.9, 0.4, 0.7]), gripper=float(rng.random())) for _ in range(20)]
    robot, _, clock = make(gain=0.7)
    for command in commands[:10]:
        robot.command(command)
        clock.wait()
    saved = robot.save()
    assert all(isinstance(array, np.ndarray) for array in saved.values())
    others, _, other_clock = make(gain=0.7)
    other_clock.reset(clock.now_ns())
    others.restore(saved)
    for command in commands[10:]:
        for one, its_clock in ((robot, clock), (others, other_clock)):
            one.command(command)
            its_clock.wait()
        a, b = robot.state(), others.state()
        assert np.array_equal(a.applied.target, b.applied.target)
        assert a.applied.clipped == b.applied.clipped
        assert np.array_equal(a.q, b.q)
