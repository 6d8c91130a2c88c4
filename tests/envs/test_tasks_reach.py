"""Reach: start, success, reward and expert."""

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.rng import spawn
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.tasks.reach import CENTRE, Reach, ReachConfig


def make(**fields):
    env = build_env(ReachConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Reach)
    return env, env.task


def distance(task) -> float:
    return float(np.linalg.norm(task.arm.tool().position - task.target()))


@pytest.mark.parametrize("fields", [{}, {"action": "xyz_rotation", "frame": "tool"}, {"action": "xyz_yaw_gripper"}])
def test_the_expert_succeeds(fields):
    env, task = make(**fields)
    successes = 0
    for seed in range(40):
        env.reset(seed=seed)
        expert, done = make_expert(env, spawn(seed)), False
        while not done:
            _, reward, terminated, truncated, info = env.step(expert.act())
            done = terminated or truncated
        assert terminated == info["success"] == (reward == 1.0) == (distance(task) < 0.02)
        successes += terminated
    assert successes >= 39


def test_the_ball_hangs_in_its_box_and_never_at_the_tool():
    env, task = make()
    targets = []
    for seed in range(150):
        obs, _ = env.reset(seed=seed)
        targets.append(task.target())
        assert distance(task) > 0.039
        np.testing.assert_allclose(obs["state/target_position"], task.target(), atol=1e-6)
    offsets = np.array(targets) - CENTRE
    assert np.abs(offsets).max() <= 0.12
    assert (np.ptp(offsets, axis=0) > 0.2).all()


def test_the_dense_term_falls_with_the_distance():
    env, task = make(reward="dense")
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.zeros(3, np.float32))
    assert info["reward_terms"]["reach"] == pytest.approx(1.0 - np.tanh(5.0 * distance(task)), abs=1e-6)
    assert reward == pytest.approx(0.5 * info["reward_terms"]["reach"])


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match=r"env\.tolerance"):
        ReachConfig(tolerance=0.0)
    with pytest.raises(ConfigError, match=r"env\.target_range"):
        ReachConfig(target_range=3.0)
