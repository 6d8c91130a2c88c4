"""Peg: what is randomised, what counts as success, how tight a hole the expert masters, and how hard it presses."""

import math

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose, quat_from_rotvec
from robolearn.envs.build import build_env
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.base import turned_down, yaw_of
from robolearn.envs.tasks.peg import BLOCK_HEIGHT, CENTRE, GRIP, PEG_HALF, Peg, PegConfig


def make(**fields) -> tuple[RobotEnv, Peg]:
    env = build_env(PegConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Peg)
    return env, env.task


def hold(task, tip, yaw: float = 0.0) -> None:
    """Put the tool where the held peg has its tip at `tip` (3,) m, turned by `yaw`."""
    tool = np.add(tip, (0.0, 0.0, PEG_HALF[2] + GRIP.position[2]))
    task.arm.reset(task.arm.solve(Pose(tool, turned_down(yaw))))
    task.begin()
    task.world.refresh()


def test_an_episode_starts_with_the_peg_in_the_hand_and_it_stays_there():
    env, task = make()
    env.reset(seed=0)
    for action in np.random.default_rng(0).uniform(-1.0, 1.0, (20, 4)).astype(np.float32):
        env.step(action)
        grip = task.world.pose("peg").inverse() @ task.arm.tool()
        np.testing.assert_allclose(grip.position, GRIP.position, atol=0.001)
        assert task.world.touching("peg", "arm/left_pad")
        assert task.world.touching("peg", "arm/right_pad")


def test_pressing_beside_the_hole_is_felt_and_neither_moves_the_peg_in_the_hand_nor_gets_in():
    env, task = make(block_range=0.0, block_yaw=0.0)
    env.reset(seed=0)
    hold(task, (CENTRE[0] + 0.02, CENTRE[1], BLOCK_HEIGHT + 0.005))
    # The env still remembers the set-point of its own reset: a step without motion would lead back there.
    env._setpoints = {name: env._measured(name, arm.state()) for name, arm in env.arms.items()}
    for _ in range(10):
        _, _, terminated, _, info = env.step(np.array([0, 0, -0.3, 0], np.float32))
        assert not terminated
        assert info["reward_terms"]["insert"] < 0.05
    assert 30.0 < env.observe()["proprio/arm.wrench"][2] < 120.0
    grip = task.world.pose("peg").inverse() @ task.arm.tool()
    np.testing.assert_allclose(grip.position, GRIP.position, atol=0.002)


def test_success_needs_the_tip_deep_in_the_hole():
    env, task = make(block_range=0.0, block_yaw=0.0)
    env.reset(seed=0)
    deep = BLOCK_HEIGHT - 0.021
    for tip, solved in {
        (*CENTRE, deep): True,
        (*CENTRE, BLOCK_HEIGHT - 0.015): False,
        (CENTRE[0] + 0.06, CENTRE[1], deep): False,
        (CENTRE[0], CENTRE[1] - 0.06, deep): False,
    }.items():
        hold(task, tip)
        success, terms = task.judge()
        assert success is solved
        assert (terms["insert"] == 1.0) is solved


def test_starts_cover_their_ranges_and_nothing_beyond():
    env, task = make()
    blocks = []
    for seed in range(150):
        env.reset(seed=seed)
        pose = task.world.pose("block")
        blocks.append([*(pose.position[:2] - CENTRE), yaw_of(pose.quat_wxyz)])
    most = (0.08, 0.08, 0.5)
    assert (np.abs(blocks).max(axis=0) <= most).all()
    assert (np.max(blocks, axis=0) > np.multiply(0.85, most)).all()
    assert (np.min(blocks, axis=0) < np.multiply(-0.85, most)).all()


def test_state_observations_are_what_the_world_knows():
    env, task = make()
    state = {name: np.asarray(value, np.float32) for name, value in env.reset(seed=1)[0].items()}
    block = task.world.pose("block")
    yaw = yaw_of(block.quat_wxyz)
    np.testing.assert_allclose(state["state/hole_position"], [*block.position[:2], BLOCK_HEIGHT], atol=1e-6)
    np.testing.assert_allclose(state["state/hole_symmetric_yaw"], [math.sin(4 * yaw), math.cos(4 * yaw)], atol=1e-6)
    tip = task.arm.tool().position - np.array([0.0, 0.0, PEG_HALF[2] + GRIP.position[2]])
    in_hole = block.inverse() @ Pose(tip, quat_from_rotvec(np.zeros(3)))
    np.testing.assert_allclose(state["state/tip_in_hole"][:2], in_hole.position[:2], atol=1e-4)
    np.testing.assert_allclose(state["state/tip_in_hole"][2], BLOCK_HEIGHT - tip[2], atol=1e-4)
    turned = turned_down(yaw_of(task.arm.tool().quat_wxyz) + math.pi + float(state["state/turn"][0]))
    assert math.remainder(yaw_of(turned) - yaw, math.pi / 2) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": "xyz_yaw_gripper"}, "turns and keeps the grip"),
        ({"action": "xyz"}, "turns and keeps the grip"),
        ({"clearance": 0.0}, "env.clearance"),
        ({"block_range": 0.5}, "env.block_range"),
        ({"block_yaw": 1.0}, "env.block_yaw"),
        ({"depth": 0.03}, "env.depth"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        PegConfig(**fields)
