"""The world: time, placing things, contacts, snapshots and their errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.errors import DriverError, SpecError
from robolearn.core.geometry import Pose
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.model import Placement
from robolearn.envs.sim.world import TICK_S, World
from robolearn.envs.tasks.base import turned_down

UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


def scene(builder) -> None:
    builder.tabletop()
    builder.loose("box", (0.5, 0.0, 0.02)).shape([0.02] * 3, name="box", mass=0.1, colour=(1, 0, 0))
    builder.fixture("ball", (0.4, 0.0, 0.2)).shape([0.02], colour=(0, 1, 0), solid=False)


def make(period_s: float = 0.1) -> tuple[World, SimArm]:
    world = World({"arm": PANDA}, scene, period_s=period_s)
    arm = SimArm(world, "arm")
    arm.reset(arm.kinematics.solve(Pose(np.array([0.5, 0.0, 0.2]), turned_down(0.0))))
    return world, arm


@pytest.mark.parametrize("rate_hz", [5, 10, 15, 20, 30, 60])
def test_a_control_period_is_a_whole_number_of_even_ticks(rate_hz):
    world, _ = make(1.0 / rate_hz)
    ticks: list[float] = []
    world.every_tick(ticks.append)
    for _ in range(7):
        world.clock.wait()
    assert len(ticks) == 7 * world.ticks
    assert set(ticks) == {world.tick_s}
    assert world.tick_s <= TICK_S + 1e-9
    assert world.data.time == pytest.approx(7 / rate_hz)
    assert world.clock.now_ns() == pytest.approx(7e9 / rate_hz, abs=10)


@given(st.lists(st.floats(0.0, 0.05), max_size=12))
def test_odd_durations_add_up(durations):
    world = World({}, scene, period_s=0.1)
    for seconds in durations:
        world.advance(seconds)
    assert world.data.time == pytest.approx(sum(durations), abs=0.00501)


def test_a_dropped_box_falls_and_comes_to_rest_on_the_table():
    world, _ = make()
    world.place("box", Pose(np.array([0.5, 0.1, 0.12]), UPRIGHT))
    world.advance(0.1)
    # A free fall of 0.1 s from rest: g t^2 / 2 = 49 mm, up to the 5 ms integration step.
    assert world.pose("box").position[2] == pytest.approx(0.12 - 0.049, abs=0.003)
    assert world.speed("box") == pytest.approx(0.981, abs=0.01)
    world.advance(1.0)
    assert world.speed("box") < 0.005
    assert world.pose("box").position[2] == pytest.approx(0.02, abs=1e-3)
    assert world.touching("box", "table")
    assert not world.touching("box", "arm/left_pad")


def test_fixtures_move_only_when_placed():
    world, _ = make()
    world.place("ball", Pose(np.array([0.3, 0.2, 0.1]), UPRIGHT))
    world.refresh()
    np.testing.assert_allclose(world.pose("ball").position, [0.3, 0.2, 0.1])
    world.advance(0.2)
    np.testing.assert_allclose(world.pose("ball").position, [0.3, 0.2, 0.1])
    world.reset()
    np.testing.assert_allclose(world.pose("ball").position, [0.4, 0.0, 0.2])


def test_unknown_and_fixed_things_are_refused_by_name():
    world, _ = make()
    with pytest.raises(SpecError, match="did you mean box"):
        world.place("boxx", Pose(np.zeros(3), UPRIGHT))
    with pytest.raises(SpecError, match="a loose body"):
        world.place("arm/link3", Pose(np.zeros(3), UPRIGHT))
    with pytest.raises(SpecError, match="a loose body"):
        world.speed("ball")
    with pytest.raises(SpecError, match="did you mean box"):
        world.touching("bax", "table")


def drive(world: World, arm: SimArm, seed: int, steps: int) -> np.ndarray:
    """Run random set-points; return everything that is observed."""
    rng, rows = np.random.default_rng(seed), []
    target = np.concatenate([[0.5, 0.0, 0.1], turned_down(0.0)])
    for _ in range(steps):
        target[:3] = np.clip(target[:3] + rng.uniform(-0.04, 0.04, 3), (0.4, -0.1, 0.02), (0.6, 0.1, 0.2))
        arm.command(RobotCommand(mode=CommandMode.POSE, target=target, gripper=rng.uniform()))
        world.clock.wait()
        state = arm.state()
        rows.append(np.concatenate([state.q, state.dq, state.wrench, [state.gripper], world.pose("box").to_array()]))
    return np.array(rows)


@pytest.mark.parametrize("rate_hz", [10, 15])
def test_a_snapshot_continues_bit_for_bit_in_another_world(rate_hz):
    world, arm = make(1.0 / rate_hz)
    drive(world, arm, seed=0, steps=15)
    saved, driver, felt = world.save(), arm.save(), arm.state().wrench
    first = drive(world, arm, seed=1, steps=15)
    other_world, other_arm = make(1.0 / rate_hz)
    other_world.restore(saved)
    other_arm.restore(driver)
    np.testing.assert_array_equal(other_arm.state().wrench, felt)
    np.testing.assert_array_equal(drive(other_world, other_arm, seed=1, steps=15), first)
    world.restore(saved)
    arm.restore(driver)
    np.testing.assert_array_equal(drive(world, arm, seed=1, steps=15), first)


def test_a_snapshot_knows_what_touched_what():
    world, _ = make()
    world.advance(0.2)
    assert world.touching("box", "table")
    saved = world.save()
    world.place("box", Pose(np.array([0.5, 0.0, 0.3]), UPRIGHT))
    world.advance(0.05)
    assert not world.touching("box", "table")
    world.restore(saved)
    assert world.touching("table", "box")


def test_a_snapshot_of_another_model_is_refused():
    world, _ = make()
    empty = World({"arm": PANDA}, lambda builder: builder.tabletop(), period_s=0.1)
    with pytest.raises(SpecError, match="world snapshot"):
        world.restore(empty.save())


def test_a_diverged_simulation_says_so_and_reset_cures_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its log there
    world, arm = make()
    world.data.qvel[:] = 1e12
    with pytest.raises(DriverError, match="diverged"):
        world.advance(0.1)
    world.reset()
    arm.reset()
    world.advance(0.1)
    assert np.isfinite(arm.state().q).all()


def test_two_arms_share_a_world_and_move_by_themselves():
    turned = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
    placements = {
        "left": Placement(position=(0.0, 0.5, 0.0)),
        "right": Placement(position=(0.0, -0.5, 0.0), quat_wxyz=turned),
    }
    world = World({"left": PANDA, "right": PANDA}, scene, period_s=0.1, placements=placements)
    left, right = SimArm(world, "left"), SimArm(world, "right")
    assert {"front", "film", "left_wrist", "right_wrist"} == set(world.cameras)
    resting = right.state().q
    pose = left.state().pose_tool_in_base
    target = pose.to_array()
    target[1] += 0.03
    for _ in range(3):
        left.command(RobotCommand(mode=CommandMode.POSE, target=target))
        world.clock.wait()
    np.testing.assert_allclose(left.state().pose_tool_in_base.position - pose.position, [0, 0.03, 0], atol=2e-3)
    np.testing.assert_allclose(right.state().q, resting, atol=1e-4)
    # Both stand in their ready pose, 0.307 m ahead of a base that for the right arm looks along the world's y axis.
    np.testing.assert_allclose(world.data.site("right/tool").xpos[:2], [0.0, -0.5 + 0.3069], atol=1e-3)


def test_parts_of_a_fixture_move_along_their_joint_and_with_their_fixture():
    def drawers(builder) -> None:
        builder.tabletop()
        chest = builder.fixture("chest", (0.5, 0.0, 0.1)).shape([0.05] * 3, colour=(1, 1, 1))
        chest.sliding("drawer", (0.0, 0.1, 0.0), (0, 1, 0), (0.0, 0.2)).shape([0.02] * 3, colour=(0, 1, 0), mass=0.2)
        chest.hinged("lid", (0.0, 0.0, 0.05), (1, 0, 0), (0.0, 1.5)).shape([0.05], colour=(0, 0, 1), mass=0.1)

    world = World({}, drawers, period_s=0.1)
    quarter = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
    world.place("chest", Pose(np.array([0.4, 0.1, 0.2]), quarter))
    np.testing.assert_allclose(world.model.joint("lid").range, [0.0, 1.5])
    world.set_joint("drawer", 0.05)
    world.refresh()
    np.testing.assert_allclose(world.pose("drawer").position, [0.4 - 0.15, 0.1, 0.2], atol=1e-9)
    world.advance(0.5)
    assert world.joint("drawer") == pytest.approx(0.05, abs=1e-3)
    assert world.joint("lid") == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(SpecError, match="did you mean drawer"):
        world.joint("drawers")


def test_the_larger_friction_counts_unless_a_shape_is_slick():
    def two(builder):
        builder.tabletop()
        for name, y, slick in (("plain", -0.1, False), ("slick", 0.1, True)):
            shapes = builder.loose(name, (0.3, y, 0.02))
            shapes.shape([0.04, 0.04, 0.02], colour=(1, 0, 0), mass=0.2, friction=0.2, slick=slick)

    world = World({}, two, period_s=0.1)
    world.data.qvel[[0, 6]] = 0.8
    world.advance(1.0)
    slid = {name: world.pose(name).position[0] - 0.3 for name in ("plain", "slick")}
    assert slid["plain"] == pytest.approx(0.8**2 / (2.0 * 1.0 * 9.81), rel=0.3)
    assert slid["slick"] == pytest.approx(0.8**2 / (2.0 * 0.2 * 9.81), rel=0.3)
