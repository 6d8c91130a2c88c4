"""Reach: start, success, reward and expert."""

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose
from robolearn.envs.build import build_env
from robolearn.envs.tasks.reach import CENTRE, Reach, ReachConfig


def make(**fields):
    env = build_env(ReachConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Reach)
    return env, env.task


def distance(task) -> float:
    return float(np.linalg.norm(task.arm.tool().position - task.target()))


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


def test_success_is_a_tool_within_the_tolerance_of_the_ball():
    env, task = make(tolerance=0.03)
    env.reset(seed=0)
    for offset in (0.029, 0.031):
        position = task.target() + np.array([offset, 0.0, 0.0])
        task.arm.reset(task.arm.solve(Pose(position, task.arm.tool().quat_wxyz)))
        task.world.refresh()
        assert task.judge()[0] == (distance(task) < 0.03) == (offset < 0.03)


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
