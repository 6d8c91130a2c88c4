"""What every `RobotDriver` must do, whatever is behind it."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from rigs import ARMS, REPEATABLE, Rig, fake_rig, supervised

from robolearn.core.errors import DriverError
from robolearn.core.geometry import rotation_error
from robolearn.core.protocols import Snapshot
from robolearn.core.robot import CommandMode, RobotCommand

OPTIONAL = {"pose_tool_in_base": None, "twist": (6,), "wrench": (6,), "gripper": None, "gripper_speed": None}


@pytest.fixture(params=ARMS)
def rig(request) -> Iterator[Rig]:
    rig = ARMS[request.param]()
    with rig.driver:
        yield rig


def setpoint(rig: Rig, offset: tuple[float, float, float] = (0.0, 0.0, 0.0), **more: object) -> RobotCommand:
    """Return a command that moves the tool by an offset, m; or, if the arm takes no poses, three joints by it, rad."""
    state = rig.driver.state()
    if CommandMode.POSE in rig.driver.spec.modes:
        target = np.concatenate(
            [state.pose_tool_in_base.position + np.array(offset), state.pose_tool_in_base.quat_wxyz]
        )
        return RobotCommand(mode=CommandMode.POSE, target=target, **more)
    target = state.q + np.pad(offset, (0, len(state.q) - 3))
    return RobotCommand(mode=CommandMode.JOINT_POSITION, target=target, **more)


def drift(rig: Rig, speed: float, valid_for_s: float) -> RobotCommand:
    """Return a command that moves the arm for as long as it is valid; or, if it takes no twists, a long step."""
    if CommandMode.TWIST in rig.driver.spec.modes:
        twist = np.array([0.0, speed, 0.0, 0.0, 0.0, 0.0])
        return RobotCommand(mode=CommandMode.TWIST, target=twist, valid_for_s=valid_for_s)
    return setpoint(rig, (2.0 * speed, 0.0, 0.0), valid_for_s=valid_for_s)


def run(rig: Rig, steps: int) -> None:
    for _ in range(steps):
        rig.clock.wait()


def test_the_spec_is_whole_and_consistent(rig):
    spec = rig.driver.spec
    n = len(spec.joint_names)
    for name in ("q_min", "q_max", "dq_max", "ddq_max", "tau_max", "q_home"):
        values = getattr(spec, name)
        assert len(values) == n
        assert np.isfinite(values).all()
    assert (np.array(spec.q_min) < spec.q_max).all()
    assert (np.array(spec.q_min) <= spec.q_home).all()
    assert (np.array(spec.q_home) <= spec.q_max).all()
    assert min(spec.dq_max + spec.ddq_max + spec.tau_max) > 0
    assert spec.modes
    assert set(spec.senses) <= set(OPTIONAL)


def test_the_state_holds_what_the_spec_promises(rig):
    state, spec = rig.driver.state(), rig.driver.spec
    assert state.q.shape == state.dq.shape == (len(spec.joint_names),)
    for name in OPTIONAL:
        assert (getattr(state, name) is not None) == (name in spec.senses)
    for name in ("twist", "wrench"):
        if name in spec.senses:
            assert getattr(state, name).shape == (6,)
    if "pose_tool_in_base" in spec.senses:
        assert np.linalg.norm(state.pose_tool_in_base.quat_wxyz) == pytest.approx(1.0, abs=1e-6)
    if "gripper" in spec.senses:
        assert 0.0 <= state.gripper <= 1.0
    if "gripper_speed" in spec.senses:
        assert state.gripper_speed == pytest.approx(0.0, abs=1e-3)
    assert state.faults == ()
    assert state.applied is None


def test_states_are_stamped_on_the_named_clock(rig):
    stamps = []
    for _ in range(3):
        run(rig, 1)
        state = rig.driver.state()
        assert state.clock_id == rig.clock.clock_id
        assert state.stamp_ns <= rig.clock.now_ns()
        stamps.append(state.stamp_ns)
    assert stamps == sorted(set(stamps))


def test_an_old_state_does_not_change(rig):
    before = rig.driver.state()
    q = before.q.copy()
    rig.driver.command(setpoint(rig, (0.03, 0.0, 0.0)))
    run(rig, 5)
    assert np.array_equal(before.q, q)
    assert not np.array_equal(rig.driver.state().q, q)


def test_it_goes_where_a_pose_command_says(rig):
    if CommandMode.POSE not in rig.driver.spec.modes:
        pytest.skip("takes no poses")
    start = rig.driver.state().pose_tool_in_base
    rig.driver.command(setpoint(rig, (0.03, -0.02, 0.02), valid_for_s=5.0))
    run(rig, 10)
    pose = rig.driver.state().pose_tool_in_base
    assert pose.position - start.position == pytest.approx([0.03, -0.02, 0.02], abs=4e-3)
    assert np.linalg.norm(rotation_error(pose.quat_wxyz, start.quat_wxyz)) < 0.03


@pytest.mark.parametrize("mode", list(CommandMode))
def test_every_mode_that_it_claims_moves_it(rig, mode):
    if mode not in rig.driver.spec.modes:
        pytest.skip("not claimed")
    start = rig.driver.state()
    n = len(start.q)
    targets = {
        CommandMode.POSE: setpoint(rig, (0.0, 0.03, 0.0)).target,
        CommandMode.TWIST: np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0]),
        CommandMode.JOINT_POSITION: start.q + 0.05 * np.eye(n)[0],
        CommandMode.JOINT_VELOCITY: 0.2 * np.eye(n)[0],
    }
    rig.driver.command(RobotCommand(mode=mode, target=targets[mode], valid_for_s=0.4))
    run(rig, 3)
    moved = rig.driver.state()
    if mode in (CommandMode.POSE, CommandMode.TWIST):
        assert moved.pose_tool_in_base.position[1] - start.pose_tool_in_base.position[1] > 0.015
    else:
        assert moved.q[0] - start.q[0] > 0.02


@pytest.mark.parametrize("wrap", [lambda rig: rig, supervised])
def test_a_mode_that_it_does_not_claim_is_refused(wrap):
    rig = wrap(fake_rig(modes=(CommandMode.POSE,)))
    with pytest.raises(DriverError, match="joint_velocity"):
        rig.driver.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=np.zeros(3)))


def test_commands_and_states_never_block(rig):
    rig.driver.state()
    start = time.perf_counter()
    for _ in range(20):
        rig.driver.command(setpoint(rig))
        rig.driver.state()
    rig.driver.stop()
    assert time.perf_counter() - start < 0.5


def test_an_input_is_left_alone(rig):
    command = setpoint(rig, (0.02, 0.0, 0.0))
    target = command.target.copy()
    rig.driver.command(command)
    run(rig, 2)
    assert np.array_equal(command.target, target)


def test_stop_brings_it_to_rest_and_may_be_repeated(rig):
    rig.driver.stop()
    rig.driver.command(drift(rig, 0.15, valid_for_s=10.0))
    run(rig, 3)
    rig.driver.stop()
    rig.driver.stop()
    run(rig, 3)
    q = rig.driver.state().q
    run(rig, 5)
    assert rig.driver.state().q == pytest.approx(q, abs=2e-3)
    assert np.abs(rig.driver.state().dq).max() < 0.02
    assert rig.driver.state().applied is None


def test_an_expired_command_ends_the_motion(rig):
    rig.driver.command(drift(rig, 0.1, valid_for_s=0.3))
    run(rig, 6)
    q = rig.driver.state().q
    run(rig, 10)
    assert rig.driver.state().q == pytest.approx(q, abs=3e-3)


def test_a_zero_twist_holds(rig):
    if CommandMode.TWIST not in rig.driver.spec.modes:
        pytest.skip("takes no twists")
    q = rig.driver.state().q
    for _ in range(5):
        rig.driver.command(RobotCommand(mode=CommandMode.TWIST, target=np.zeros(6)))
        run(rig, 1)
    assert rig.driver.state().q == pytest.approx(q, abs=3e-3)


def test_the_gripper_follows_and_none_leaves_it_alone(rig):
    if rig.driver.spec.gripper_max_m is None:
        pytest.skip("no gripper")
    for _ in range(15):
        rig.driver.command(setpoint(rig, gripper=0.2))
        run(rig, 1)
    assert rig.driver.state().gripper == pytest.approx(0.2, abs=0.05)
    for _ in range(5):
        rig.driver.command(setpoint(rig))
        run(rig, 1)
    assert rig.driver.state().gripper == pytest.approx(0.2, abs=0.05)


def test_reset_goes_to_a_configuration_and_clears_the_setpoint(rig):
    spec = rig.driver.spec
    rig.driver.command(setpoint(rig, (0.03, 0.0, 0.0)))
    run(rig, 2)
    wanted = np.array(spec.q_home) + 0.05
    rig.driver.reset(wanted)
    assert rig.driver.state().q == pytest.approx(wanted, abs=rig.reset_within)
    assert rig.driver.state().applied is None
    rig.driver.reset()
    run(rig, 3)
    assert rig.driver.state().q == pytest.approx(spec.q_home, abs=5e-3)


@pytest.mark.parametrize("name", ARMS)
def test_it_is_a_context_manager_and_may_be_entered_again(name):
    driver = ARMS[name]().driver
    for _ in range(2):
        with driver as entered:
            assert entered is driver
            entered.state()


@pytest.mark.parametrize("name", REPEATABLE)
def test_a_snapshot_continues_bit_for_bit(name):
    rig = ARMS[name]()
    assert isinstance(rig.driver, Snapshot)
    rig.driver.command(setpoint(rig, (0.03, 0.02, 0.0), gripper=0.3))
    run(rig, 1)
    world = rig.world.save() if rig.world else None
    saved, now_ns = rig.driver.save(), rig.clock.now_ns()

    def go_on() -> np.ndarray:
        rows = []
        for step in range(4):
            rig.driver.command(setpoint(rig, (0.01 * step, 0.0, 0.01), gripper=0.6))
            run(rig, 1)
            rows.append(np.concatenate([rig.driver.state().q, rig.driver.state().dq]))
        return np.array(rows)

    first = go_on()
    rig.clock.reset(now_ns)
    if rig.world:
        rig.world.restore(world)
    rig.driver.restore(saved)
    assert np.array_equal(go_on(), first)
