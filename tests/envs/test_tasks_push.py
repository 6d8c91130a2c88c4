"""Push: what is randomised, what counts as success, what is rewarded, and how well the expert does."""

import math

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose
from robolearn.core.rng import spawn
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.push import CENTRE, HALF_HEIGHT, UPRIGHT, Push, PushConfig


def make(**fields) -> tuple[RobotEnv, Push]:
    env = build_env(PushConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Push)
    return env, env.task


def episode(env, seed: int) -> list[dict]:
    """Return the `info` of every step of an expert's episode, with the reward."""
    env.reset(seed=seed)
    expert, infos, done = make_expert(env, spawn(seed, 7)), [], False
    while not done:
        _, reward, terminated, truncated, info = env.step(expert.act())
        infos.append({**info, "reward": reward})
        done = terminated or truncated
    return infos


def put(task, puck, goal) -> None:
    task.world.place("puck", Pose(np.array(puck), UPRIGHT))
    task.world.place("goal", Pose(np.array([*goal, 0.0]), UPRIGHT))
    task.world.refresh()


SETTINGS = {
    "default": {},
    "gripper": {"action": "xyz_yaw_gripper"},
    "tool": {"action": "xyz_rotation", "frame": "tool"},
    "narrow": {"table_range": 0.1, "tolerance": 0.015},
}


@pytest.mark.parametrize("fields", SETTINGS.values(), ids=SETTINGS)
def test_the_expert_succeeds(fields):
    env, _ = make(**fields)
    episodes = [episode(env, seed) for seed in range(30)]
    assert sum(infos[-1]["success"] for infos in episodes) >= 29
    assert 10 <= np.median([len(infos) for infos in episodes]) <= 35


@pytest.mark.slow
def test_the_expert_succeeds_on_200_seeds():
    env, _ = make()
    assert sum(episode(env, seed)[-1]["success"] for seed in range(200)) >= 190


def test_the_puck_is_pushed_gently_and_stays_on_the_table():
    env, task = make()
    data, deepest, fastest = task.world.data, 0.0, 0.0
    for seed in range(10):
        env.reset(seed=seed)
        expert, done, before = make_expert(env, spawn(seed, 7)), False, task.puck()
        while not done:
            _, _, terminated, truncated, info = env.step(expert.act())
            assert not info["faults"]
            done = terminated or truncated
            deepest = min([deepest, *data.contact.dist.tolist()])
            fastest = max(fastest, 10.0 * math.dist(task.puck(), before))
            before = task.puck()
            assert before[2] == pytest.approx(HALF_HEIGHT, abs=0.005)
    assert deepest > -0.0015
    assert fastest < 1.0


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


def test_the_dense_reward_is_the_weighted_terms_and_grows_towards_success():
    env, task = make(reward="dense")
    infos = episode(env, 3)
    for info in infos:
        assert set(info["reward_terms"]) == set(task.weights)
        assert all(0.0 <= term <= 1.0 for term in info["reward_terms"].values())
        weighted = sum(task.weights[name] * term for name, term in info["reward_terms"].items())
        assert info["reward"] == pytest.approx(weighted + float(info["success"]))
    rewards = [info["reward"] for info in infos]
    assert rewards[0] < rewards[len(rewards) // 2] < rewards[-1]


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


def test_unknown_reset_options_are_refused():
    env, _ = make()
    with pytest.raises(ConfigError, match="reset options"):
        env.reset(seed=0, options={"puck": 1})
