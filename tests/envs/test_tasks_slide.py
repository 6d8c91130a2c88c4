"""Slide: what is randomised, what counts as success, how the puck glides, and that nobody can carry it there."""

import math

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.envs.build import build_env
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.layout import flat
from robolearn.envs.tasks.slide import GLIDE, GOAL, HALF_HEIGHT, LINE, PUCK, RADIUS, Slide, SlideConfig


def make(**fields) -> tuple[RobotEnv, Slide]:
    env = build_env(SlideConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Slide)
    return env, env.task


def put(task, puck, goal=GOAL) -> None:
    task.world.place("puck", flat(*puck, HALF_HEIGHT, 0.0))
    task.world.place("goal", flat(*goal, 0.0, 0.0))
    task.world.refresh()


def strike(task, velocity) -> None:
    """Give the puck a velocity (2,), m/s."""
    start = task.world.model.body("puck").dofadr[0]
    task.world.data.qvel[start : start + 2] = velocity


@pytest.mark.parametrize("angle", [0.0, 0.4, -0.8])
def test_the_puck_glides_as_far_as_it_should_whatever_the_direction(angle):
    env, task = make()
    env.reset(seed=0)
    put(task, (0.45, 0.0))
    task.world.advance(0.3)
    before = task.puck()
    strike(task, 0.4 * np.array([math.cos(angle), math.sin(angle)]))
    task.world.advance(2.0)
    way = task.puck() - before
    assert math.hypot(*way[:2]) == pytest.approx(0.4 * GLIDE, rel=0.01)
    assert math.atan2(way[1], way[0]) == pytest.approx(angle, abs=0.01)
    assert all(contact.dim == 1 for contact in task.world.data.contact)  # a thin friction cone lets a graze kick
    assert task.world.speed("puck") < 0.003


def test_success_is_a_puck_at_rest_at_the_goal():
    env, task = make()
    env.reset(seed=0)
    for offset, enough in ((0.034, True), (0.036, False)):
        put(task, (GOAL[0] + offset, GOAL[1]))
        assert task.judge()[0] == enough
    put(task, GOAL)
    strike(task, (0.1, 0.0))
    assert not task.judge()[0]


def test_the_fingers_cannot_bring_the_puck_to_any_goal():
    env, task = make()
    env.reset(seed=0)
    for _ in range(12):
        env.step(np.array([1.0, 0.0, -0.3, 0.0], np.float32))
    reach = env.arms["arm"].state().pose_tool_in_base.position[0]
    assert LINE - 0.02 < reach < LINE + 0.01
    nearest_goal = GOAL[0] - 0.5 * task.cfg.goal_range - task.cfg.tolerance
    assert nearest_goal > LINE + 0.012 + RADIUS


def test_puck_and_goal_cover_their_squares():
    env, task = make()
    pucks, goals = [], []
    for seed in range(150):
        env.reset(seed=seed)
        pucks.append(task.puck()[:2])
        goals.append(task.goal()[:2])
    for places, centre, edge in ((pucks, PUCK, 0.08), (goals, GOAL, 0.1)):
        offsets = np.array(places) - centre
        assert np.abs(offsets).max() <= 0.5 * edge
        assert (np.ptp(offsets, axis=0) > 0.9 * edge).all()


def test_state_observations_are_what_the_world_knows():
    env, task = make()
    obs, _ = env.reset(seed=1)
    np.testing.assert_allclose(obs["state/puck_position"], task.puck(), atol=1e-6)
    np.testing.assert_allclose(obs["state/goal_position"], task.goal()[:2], atol=1e-6)
    strike(task, (0.3, 0.4))
    np.testing.assert_allclose(task.privileged()["puck_speed"], [0.5])


def test_the_front_camera_sees_puck_and_goal_wherever_they_may_lie():
    env, task = make()
    env.reset(seed=0)
    for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        put(task, (PUCK[0] + 0.04 * dx, PUCK[1] + 0.04 * dy), (GOAL[0] + 0.05 * dx, GOAL[1] - 0.05 * dy))
        pixels = task.world.render("front", 64, 64).astype(int)
        for strong, others in ((0, [1, 2]), (1, [0, 2])):
            mask = (pixels[..., strong] > 100) & (pixels[..., strong, None] > pixels[..., others] + 60).all(axis=-1)
            assert mask.sum() >= 20
            assert not np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()
    env.close()
    task.world.close()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"puck_range": 0.5}, r"env\.puck_range"),
        ({"goal_range": 0.5}, r"env\.goal_range"),
        ({"tolerance": 0.0}, r"env\.tolerance"),
        ({"action": "xyz"}, "an action that turns"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        SlideConfig(**fields)
