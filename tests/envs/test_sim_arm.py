"""The simulated Panda: what set-points do over time, what holds without one, what is felt."""

import numpy as np
import pytest
from rigs import sim_rig

from robolearn.core.errors import ConfigError, DriverError, SpecError
from robolearn.core.geometry import Pose, quat_from_rotvec, quat_multiply, rotation_error
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.model import Placement
from robolearn.envs.sim.world import World
from robolearn.envs.tasks.base import turned_down

CUBE_KG = 0.1


class Bench:
    """An arm over a table, at a pose above the middle, with a box under it."""

    def __init__(self, placement: Placement | None = None) -> None:
        def scene(builder):
            builder.tabletop()
            builder.loose("box", (0.5, 0.0, 0.0225)).shape([0.0225] * 3, name="box", mass=CUBE_KG, colour=(1, 0, 0))

        self.world = World({"arm": PANDA}, scene, period_s=0.1, placements={"arm": placement} if placement else None)
        self.arm = SimArm(self.world, "arm")
        self.start = Pose(np.array([0.5, 0.0, 0.2]), turned_down(0.0))
        self.arm.reset(self.arm.kinematics.solve(self.start))

    def run(self, seconds: float) -> None:
        self.world.advance(seconds)

    def go(self, position, quat=None, gripper=None, valid_for_s=0.5) -> None:
        quat_wxyz = self.start.quat_wxyz if quat is None else quat
        target = np.concatenate([np.array(position, float), quat_wxyz])
        self.arm.command(RobotCommand(mode=CommandMode.POSE, target=target, gripper=gripper, valid_for_s=valid_for_s))

    @property
    def tool(self) -> Pose:
        return self.arm.state().pose_tool_in_base


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_holds_still_against_gravity_without_a_command(bench):
    before = bench.arm.state().q
    bench.run(2.0)
    np.testing.assert_allclose(bench.arm.state().q, before, atol=1e-4)


def test_a_pose_is_reached_and_held(bench):
    turned = turned_down(0.3)
    for _ in range(3):
        bench.go([0.53, 0.03, 0.17], turned)
        bench.run(0.1)
    np.testing.assert_allclose(bench.tool.position, [0.53, 0.03, 0.17], atol=1.5e-3)
    assert np.linalg.norm(rotation_error(turned, bench.tool.quat_wxyz)) < 5e-3


def test_a_pose_is_approached_evenly_within_one_period(bench):
    heights = []
    for step in range(1, 4):
        for _ in range(5):
            if len(heights) % 5 == 0:
                bench.go([0.5, 0.0, 0.2 + 0.03 * step])
            bench.run(0.02)
            heights.append(bench.tool.position[2])
    speeds = np.diff(heights)[5:] / 0.02
    np.testing.assert_allclose(speeds, 0.3, rtol=0.15)


def test_zero_motion_is_a_hold_for_as_long_as_it_is_commanded(bench):
    for _ in range(50):
        bench.go([0.5, 0.0, 0.2])
        bench.run(0.1)
    np.testing.assert_allclose(bench.tool.position, [0.5, 0.0, 0.2], atol=5e-4)


def test_a_twist_moves_at_its_speed_and_stops_when_it_expires(bench):
    twist = np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.5])
    bench.arm.command(RobotCommand(mode=CommandMode.TWIST, target=twist, valid_for_s=0.3))
    bench.run(0.2)
    np.testing.assert_allclose(bench.arm.state().twist, twist, atol=0.03)
    bench.run(1.0)
    np.testing.assert_allclose(bench.tool.position, [0.5, 0.03, 0.2], atol=2e-3)
    expected = quat_multiply(quat_from_rotvec(np.array([0.0, 0.0, 0.15])), bench.start.quat_wxyz)
    assert np.linalg.norm(rotation_error(expected, bench.tool.quat_wxyz)) < 0.01
    np.testing.assert_allclose(bench.arm.state().dq, 0.0, atol=1e-3)


def test_an_expired_pose_leaves_the_arm_on_its_way(bench):
    bench.go([0.5, 0.0, 0.24], valid_for_s=0.04)
    bench.run(1.0)
    assert bench.tool.position[2] == pytest.approx(0.2 + 0.4 * 0.04, abs=2e-3)


def test_joint_positions_and_velocities(bench):
    q = bench.arm.state().q
    bench.arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=q + 0.05))
    bench.run(0.3)
    np.testing.assert_allclose(bench.arm.state().q, q + 0.05, atol=3e-3)
    speeds = np.array([0.2, 0, 0, 0, 0, 0, -0.2])
    bench.arm.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=speeds, valid_for_s=0.5))
    bench.run(1.0)
    np.testing.assert_allclose(bench.arm.state().q, q + 0.05 + 0.5 * speeds, atol=3e-3)


def test_joint_speed_limits_hold_whatever_is_asked(bench):
    q = bench.arm.state().q
    bench.arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=q + 2.0 * np.eye(7)[0], valid_for_s=5.0))
    fastest = 0.0
    for _ in range(20):
        bench.run(0.02)
        fastest = max(fastest, abs(bench.arm.state().dq[0]))
    assert 0.8 * PANDA.spec.dq_max[0] < fastest < 1.2 * PANDA.spec.dq_max[0]


def test_stop_comes_to_rest_near_where_it_was(bench):
    bench.go([0.5, 0.0, 0.26])
    bench.run(0.06)
    height = bench.tool.position[2]
    bench.arm.stop()
    bench.run(1.0)
    assert abs(bench.tool.position[2] - height) < 0.02
    np.testing.assert_allclose(bench.arm.state().dq, 0.0, atol=1e-3)


def test_a_stop_brakes_as_hard_as_the_joints_may_and_no_harder(bench):
    """0.5 rad/s at 7.5 rad/s^2 (second joint): at rest after 0.067 s and 0.017 rad."""
    speed, before = np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]), bench.arm.state().q[1]
    bench.arm.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=speed, valid_for_s=1.0))
    bench.run(0.3)
    start = bench.arm.state()
    assert start.dq[1] == pytest.approx(0.5, abs=0.03)
    bench.arm.stop()
    bench.run(0.03)
    assert bench.arm.state().dq[1] == pytest.approx(0.5 - 0.03 * 7.5, abs=0.08)
    bench.run(0.2)
    assert bench.arm.state().q[1] - start.q[1] == pytest.approx(0.017, abs=0.008)
    assert bench.arm.state().q[1] > before
    assert np.abs(bench.arm.state().dq).max() < 0.01


def test_an_arm_that_is_blocked_is_not_driven_on_by_a_stop(bench):
    for _ in range(12):
        bench.go([0.5, 0.0, 0.05])
        bench.run(0.1)
    for _ in range(4):
        bench.go([0.5, 0.0, -0.02])
        bench.run(0.1)
    height = bench.tool.position[2]
    bench.arm.stop()
    bench.run(0.5)
    assert bench.tool.position[2] > height - 0.005


def test_the_gripper_moves_at_its_published_speed(bench):
    bench.go([0.5, 0.0, 0.2], gripper=0.0)
    bench.run(0.4)
    # 0.1 m/s for 0.4 s of an 0.08 m opening leaves half, but for the lag of the finger servo.
    assert bench.arm.state().gripper == pytest.approx(0.5, abs=0.06)
    # The finger servo gets a new target every fourth physics step, so that the speed of one step is off the mean.
    assert bench.arm.state().gripper_speed == pytest.approx(-1.25, abs=0.2)
    bench.run(0.6)
    assert bench.arm.state().gripper < 0.02
    assert bench.arm.state().gripper_speed == pytest.approx(0.0, abs=0.02)


def grasp(bench: Bench) -> None:
    for height in np.linspace(0.2, 0.024, 8):
        bench.go([0.5, 0.0, height], gripper=1.0)
        bench.run(0.1)
    for _ in range(10):
        bench.go([0.5, 0.0, 0.024], gripper=0.0)
        bench.run(0.1)


def test_a_grasped_box_is_carried_and_its_weight_is_felt(bench):
    grasp(bench)
    assert bench.world.touching("box", "arm/left_pad")
    assert bench.world.touching("box", "arm/right_pad")
    assert bench.arm.state().gripper > 0.3
    assert bench.arm.state().gripper_speed == pytest.approx(0.0, abs=0.02)
    for height in np.linspace(0.03, 0.2, 8):
        bench.go([0.5, 0.0, height], gripper=0.0)
        bench.run(0.1)
    for _ in range(20):
        bench.go([0.5, 0.0, 0.2], gripper=0.0)
        bench.run(0.1)
    assert bench.world.pose("box").position[2] == pytest.approx(0.2, abs=0.012)
    force = bench.arm.state().wrench[:3]
    np.testing.assert_allclose(force, [0.0, 0.0, -9.81 * CUBE_KG], atol=0.15)


def test_a_held_box_does_not_slip_for_an_episode(bench):
    grasp(bench)
    for height in (0.05, 0.08, 0.11, 0.14):
        bench.go([0.5, 0.0, height], gripper=0.0)
        bench.run(0.1)
    bench.run(0.5)
    before = bench.world.pose("box").position[2]
    bench.run(5.0)
    assert bench.world.pose("box").position[2] == pytest.approx(before, abs=4e-3)


def test_a_free_arm_feels_nothing(bench):
    bench.go([0.5, 0.05, 0.25])
    bench.run(0.1)
    np.testing.assert_array_equal(bench.arm.state().wrench, np.zeros(6))


def test_pressing_on_the_table_is_felt_as_a_push_up_at_the_tool(bench):
    for height in np.linspace(0.19, 0.01, 12):
        bench.go([0.42, 0.0, height], gripper=0.0)
        bench.run(0.1)
    wrench = bench.arm.state().wrench
    assert wrench[2] > 5.0
    # The push acts at the fingertips on the tool's axis, so it has next to no lever about the tool.
    assert np.linalg.norm(wrench[3:]) < 0.03 * wrench[2]


def test_states_are_in_the_base_frame_wherever_the_base_stands():
    yaw = np.pi / 2
    moved = Bench(Placement(position=(0.2, -0.3, 0.0), quat_wxyz=(np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))))
    np.testing.assert_allclose(moved.tool.position, [0.5, 0.0, 0.2], atol=1e-4)
    site = moved.world.data.site("arm/tool").xpos
    np.testing.assert_allclose(site, [0.2, -0.3 + 0.5, 0.2], atol=1e-4)
    for height in np.linspace(0.19, 0.01, 12):
        moved.go([0.4, 0.1, height], gripper=0.0)
        moved.run(0.1)
    wrench = moved.arm.state().wrench
    assert wrench[2] > 5.0
    assert np.linalg.norm(wrench[3:]) < 0.03 * wrench[2]


def test_bad_commands_and_resets_are_refused(bench):
    with pytest.raises(SpecError, match="7 finite numbers"):
        bench.arm.command(RobotCommand(mode=CommandMode.POSE, target=np.zeros(6)))
    with pytest.raises(SpecError, match="finite"):
        bench.arm.command(RobotCommand(mode=CommandMode.TWIST, target=np.full(6, np.nan)))
    with pytest.raises(DriverError, match="within limits"):
        bench.arm.reset(np.full(7, 4.0))
    with pytest.raises(ConfigError, match="did you mean arm"):
        SimArm(bench.world, "arms")


def test_stamps_are_on_the_worlds_clock():
    rig = sim_rig()
    rig.clock.wait()
    assert rig.driver.state().stamp_ns == rig.clock.now_ns() == 100_000_000
    assert rig.driver.state().clock_id == "sim"
