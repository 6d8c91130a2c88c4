"""Push: what is randomised, what counts as success, what is rewarded, and how well the expert does."""

import math

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.push import CENTRE, HALF_HEIGHT, UPRIGHT, Push, PushConfig
from robolearn.run.demos import Nudges, record_episode


def make(**fields) -> tuple[RobotEnv, Push]:
    env = build_env(PushConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Push)
    return env, env.task


def put(task, puck, goal) -> None:
    task.world.place("puck", Pose(np.array(puck), UPRIGHT))
    task.world.place("goal", Pose(np.array([*goal, 0.0]), UPRIGHT))
    task.world.refresh()


def test_puck_and_goal_cover_their_square_and_start_apart():
    env, task = make()
    pucks, goals = [], []
    for seed in range(150):
        env.reset(seed=seed)
        pucks.append(task.puck())
        goals.append(task.goal())
        assert math.dist(pucks[-1][:2], goals[-1][:2]) > 0.05
        assert not task.judge()[0]
    for places in (np.array(pucks)[:, :2], np.array(goals)[:, :2]):
        offsets = places - CENTRE
        assert np.abs(offsets).max() <= 0.11
        assert (np.ptp(offsets, axis=0) > 0.2).all()
    np.testing.assert_allclose(np.array(pucks)[:, 2], HALF_HEIGHT)


@pytest.mark.parametrize("action", ["xyz", "xyz_yaw_gripper"])
def test_the_fingers_start_closed_and_stay_so_without_a_gripper_part(action):
    env, task = make(action=action)
    env.reset(seed=0)
    assert task.arm.opening() == 0.0
    env.step(np.ones(env.action_space.shape, np.float32))
    assert (task.arm.opening() < 0.01) == (action == "xyz")


def test_success_needs_the_puck_at_the_goal_and_on_the_table():
    env, task = make()
    env.reset(seed=0)
    place = (0.45, 0.05)
    put(task, [*place, HALF_HEIGHT], (0.45, 0.074))
    assert task.judge()[0]
    put(task, [*place, HALF_HEIGHT], (0.45, 0.076))
    assert not task.judge()[0]
    put(task, [*place, 0.1], place)
    assert not task.judge()[0]


def test_state_observations_are_what_the_world_knows():
    env, task = make()
    obs, _ = env.reset(seed=1)
    np.testing.assert_allclose(obs["state/puck_position"], task.puck(), atol=1e-6)
    np.testing.assert_allclose(obs["state/goal_position"], task.goal()[:2], atol=1e-6)


def test_the_front_camera_sees_puck_and_goal_wherever_they_may_lie():
    env, task = make()
    env.reset(seed=0)
    for dx, dy in ((-0.11, -0.11), (-0.11, 0.11), (0.11, -0.11), (0.11, 0.11)):
        put(task, [CENTRE[0] + dx, CENTRE[1] + dy, HALF_HEIGHT], [CENTRE[0] + dx, CENTRE[1] - dy])
        pixels = task.world.render("front", 64, 64).astype(int)
        for strong, others in ((0, [1, 2]), (1, [0, 2])):
            mask = (pixels[..., strong] > 100) & (pixels[..., strong, None] > pixels[..., others] + 60).all(axis=-1)
            assert mask.sum() >= 40
            assert not np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()
    env.close()
    task.world.close()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"table_range": 0.05}, r"env\.table_range"),
        ({"table_range": 0.5}, r"env\.table_range"),
        ({"tolerance": 0.0}, r"env\.tolerance"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        PushConfig(**fields)


def test_an_expert_that_is_pushed_off_its_way_goes_round_the_puck_and_is_soon_done():
    """Over the puck, as it went before, it does so in 20 of these 40 episodes; round it in 29."""
    env, _ = make(max_steps=60)
    solved = 0
    for seed in range(40):
        nudges = Nudges(env.env_spec.action, 0.3, np.random.default_rng(seed))
        episode = record_episode(env, lambda rng: make_expert(env, rng), seed, np.random.default_rng(seed), nudges)
        solved += episode[-1].success
    assert solved >= 25
    env.close()
