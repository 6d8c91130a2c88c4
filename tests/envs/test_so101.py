"""The SO-101: kinematics as published, what it senses, its jaw, poses that five joints can have, tasks with it."""

from typing import Any

import mujoco
import numpy as np
import pytest
from rigs import so101_rig, supervised

from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import Pose, rotation_error
from robolearn.core.rng import spawn
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.assets.so101 import SO101
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.kinematics import Kinematics
from robolearn.envs.sim.world import World
from robolearn.envs.tasks.base import turned_down, yaw_of
from robolearn.envs.tasks.pick_cube import PickCubeConfig
from robolearn.envs.tasks.reach import ReachConfig

SPEC = SO101.spec
LOW, HIGH = np.array(SPEC.q_min), np.array(SPEC.q_max)
# Origins (xyz in m, rpy in rad) of the joints, and of the gripper frame in the last link, in so101_new_calib.urdf.
ORIGINS = [
    ((0.0388353, -8.97657e-09, 0.0624), (3.14159, 0.0, -3.14159)),
    ((-0.0303992, -0.0182778, -0.0542), (-1.5708, -1.5708, 0.0)),
    ((-0.11257, -0.028, 0.0), (0.0, 0.0, 1.5708)),
    ((-0.1349, 0.0052, 0.0), (0.0, 0.0, -1.5708)),
    ((0.0, -0.0611, 0.0181), (1.5708, 0.0486795, 3.14159)),
]
GRIPPER_FRAME = ((-0.0079, -0.000218121, -0.0981274), (0.0, 3.14159, 0.0))
# Ours: between the open jaws instead of on the fixed one, 9 mm further in, x towards the moving one.
TOOL = ((-0.0329, 0.0, -0.0091274), (0.0, 0.0, 3.14159))
FAST: dict[str, Any] = {"robot": "so101", "observation": "state"}


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics(SO101)


def about(axis: int, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.roll([[1, 0, 0], [0, c, -s], [0, s, c]], axis, (0, 1))


def transform(origin) -> np.ndarray:
    (xyz, (roll, pitch, yaw)), frame = origin, np.eye(4)
    frame[:3, :3] = about(2, yaw) @ about(1, pitch) @ about(0, roll)
    frame[:3, 3] = xyz
    return frame


def published_pose(q) -> Pose:
    frame = np.eye(4)
    for origin, angle in zip(ORIGINS, q, strict=True):
        frame = frame @ transform(origin) @ transform(((0, 0, 0), (0, 0, angle)))
    frame = frame @ transform(GRIPPER_FRAME) @ transform(TOOL)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, frame[:3, :3].ravel())
    return Pose(frame[:3, 3], quat)


def test_forward_kinematics_follow_the_published_transforms(kinematics):
    rng = np.random.default_rng(0)
    for q in rng.uniform(LOW, HIGH, (300, 5)):
        ours, theirs = kinematics.pose(q), published_pose(q)
        assert np.linalg.norm(ours.position - theirs.position) < 1e-4
        assert np.linalg.norm(rotation_error(ours.quat_wxyz, theirs.quat_wxyz)) < 1e-4


def test_the_model_has_the_limits_of_the_spec_and_of_the_jaw():
    model = mujoco.MjModel.from_xml_path(str(SO101.path))
    for joint, low, high in zip(SPEC.joint_names, SPEC.q_min, SPEC.q_max, strict=True):
        np.testing.assert_allclose(model.joint(joint).range, [low, high])
    np.testing.assert_allclose(model.joint("gripper").range, [SO101.gripper.closed, SO101.gripper.open])
    assert model.body_mass.sum() == pytest.approx(0.632, abs=1e-3)


def test_it_takes_joint_positions_and_senses_its_joints_and_jaw_only():
    rig = so101_rig()
    assert SPEC.modes == (CommandMode.JOINT_POSITION,)
    state = rig.driver.state()
    assert (state.pose_tool_in_base, state.twist, state.wrench) == (None, None, None)
    assert state.gripper == 1.0
    for mode, size in ((CommandMode.POSE, 7), (CommandMode.TWIST, 6), (CommandMode.JOINT_VELOCITY, 5)):
        with pytest.raises(DriverError, match=f"got {mode}"):
            rig.driver.command(RobotCommand(mode=mode, target=np.zeros(size)))
    with pytest.raises(DriverError, match="joint_position"):
        supervised(rig).driver.command(RobotCommand(mode=CommandMode.TWIST, target=np.zeros(6)))


def test_the_simulation_knows_where_the_tool_is_whatever_the_arm_senses(kinematics):
    rig = so101_rig()
    arm = rig.driver
    assert isinstance(arm, SimArm)
    stand = np.array(SO101.stand.position)
    np.testing.assert_allclose(arm.base_in_world.position, stand)
    expected = kinematics.pose(np.array(SPEC.q_home)).position + stand
    np.testing.assert_allclose(arm.tool().position, expected, atol=1e-9)


def test_servos_hold_the_arm_against_its_weight():
    rig = so101_rig()
    before = rig.driver.state().q
    for _ in range(20):
        rig.clock.wait()
    np.testing.assert_allclose(rig.driver.state().q, before, atol=2e-3)


@pytest.mark.parametrize("width", [0.0, 0.02, 0.045, 0.08])
def test_the_jaw_opens_to_a_width(width):
    world = World({"arm": SO101}, lambda scene: scene.tabletop(), period_s=0.1)
    arm = SimArm(world, "arm")
    arm.grip(width, width)
    world.clock.wait()
    assert arm.opening() == pytest.approx(arm.opening_at(width), abs=0.01)
    left, right = world.data.geom("arm/left_pad"), world.data.geom("arm/right_pad")
    # Between the middles of the pads' faces; they are 3 mm behind.
    faces = [geom.xpos + sign * 0.003 * geom.xmat.reshape(3, 3)[:, 0] for geom, sign in ((left, 1), (right, -1))]
    assert np.linalg.norm(faces[1] - faces[0]) == pytest.approx(width, abs=0.006 + 0.1 * width)


def test_grippers_map_widths_to_joints():
    assert PANDA.gripper.at(0.05) == pytest.approx(0.025)
    assert SO101.gripper.at(0.0) == SO101.gripper.closed
    assert SO101.gripper.at(SPEC.gripper_max_m or 0.0) == pytest.approx(SO101.gripper.open)
    assert SO101.gripper.at(1.0) == pytest.approx(SO101.gripper.closed + np.pi)


@pytest.mark.parametrize("yaw", [-0.5, 0.0, 0.5])
def test_it_points_down_over_the_near_table(kinematics, yaw):
    for x in (0.15, 0.2, 0.25):
        for y in (-0.06, 0.0, 0.06):
            target = Pose(np.array([x, y, 0.03]), turned_down(yaw))
            q = kinematics.solve(target)
            reached = kinematics.pose(q)
            np.testing.assert_allclose(reached.position, target.position, atol=2e-5)
            assert np.linalg.norm(rotation_error(target.quat_wxyz, reached.quat_wxyz)) < 0.02
            assert yaw_of(reached.quat_wxyz) == pytest.approx(yaw_of(target.quat_wxyz), abs=0.02)
            assert ((q > LOW + 0.05) & (q < HIGH - 0.05)).all()


def test_where_five_joints_cannot_have_a_pose_the_position_comes_first(kinematics):
    for x in (0.14, 0.23, 0.32):
        for z in (0.2, 0.27):
            target = Pose(np.array([x, 0.05, z]), turned_down(0.0))
            q = kinematics.solve(target)
            reached = kinematics.pose(q)
            np.testing.assert_allclose(reached.position, target.position, atol=2e-5)
            assert 0.2 < np.linalg.norm(rotation_error(target.quat_wxyz, reached.quat_wxyz)) < 1.6
    with pytest.raises(DriverError, match="so101"):
        kinematics.solve(Pose(np.array([0.6, 0.0, 0.1]), turned_down(0.0)))


def successes(cfg, seeds: int) -> int:
    env, total = build_env(cfg), 0
    for seed in range(seeds):
        env.reset(seed=seed)
        expert, done, info = make_expert(env, spawn(seed)), False, {}
        while not done:
            _, _, terminated, truncated, info = env.step(expert.act())
            done = terminated or truncated
        total += info["success"]
    env.close()
    return total


def test_the_expert_reaches():
    assert successes(ReachConfig(action="joints", **FAST), 40) >= 39


def test_the_expert_picks_the_cube():
    assert successes(PickCubeConfig(action="joints_gripper", **FAST), 30) >= 28


def test_the_experts_also_command_a_panda_by_its_joints():
    assert successes(ReachConfig(action="joints", observation="state"), 20) >= 19


def test_actions_and_observations_have_the_size_of_the_arm():
    env = build_env(PickCubeConfig(action="joints_gripper", joint_scale=0.05, **FAST))
    assert env.action_space.shape == (6,)
    assert [(part.size, part.scale) for part in env.env_spec.action.parts] == [(5, 0.05), (1, 1.0)]
    obs, _ = env.reset(seed=0)
    assert obs["proprio/arm.q"].shape == (5,)
    assert "proprio/arm.position" not in obs
    assert build_env(ReachConfig(action="joints", observation="state")).action_space.shape == (7,)


def test_what_the_arm_cannot_do_is_refused_with_what_it_can():
    with pytest.raises(ConfigError, match=r"did you mean so101\? known: so101, panda"):
        build_env(ReachConfig(robot="so100"))
    with pytest.raises(ConfigError, match=r"'so101'.* takes pose .*env\.action=joints"):
        build_env(ReachConfig(robot="so101"))
    with pytest.raises(ConfigError, match=r"senses pose_tool_in_base.*this one has q, dq, gripper"):
        build_env(ReachConfig(action="joints", proprio=["yaw"], **FAST))
    with pytest.raises(ConfigError, match=r"env\.joint_scale"):
        ReachConfig(joint_scale=0.0)
