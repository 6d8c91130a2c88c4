"""Lever: what is randomised, what counts as success, how it resists, and how well the expert does."""

import math

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose, quat_from_rotvec
from robolearn.envs.build import build_env
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.lever import AJAR, CENTRE, GRIP, HEIGHT, Lever, LeverConfig


def make(**fields) -> tuple[RobotEnv, Lever]:
    env = build_env(LeverConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Lever)
    return env, env.task


def stand_at(task, x: float, y: float, yaw: float, angle: float) -> None:
    task.world.place("stand", Pose(np.array([x, y, 0.0]), quat_from_rotvec(np.array([0.0, 0.0, yaw]))))
    task.world.set_joint("lever", angle)
    task.world.refresh()


def test_levers_cover_their_range_and_start_at_rest():
    env, task = make(angle=1.0)
    posts, headings, angles = [], [], []
    for seed in range(150):
        env.reset(seed=seed)
        posts.append(task.post())
        angles.append(task.world.joint("lever"))
        headings.append(task.heading() - angles[-1] + 1.0)
        assert not task.judge()[0]
    offsets = np.array(posts) - CENTRE
    assert np.abs(offsets).max() <= 0.05
    assert (np.ptp(offsets, axis=0) > 0.09).all()
    assert max(np.abs(headings)) <= 0.8 + 1e-9
    assert np.ptp(headings) > 1.4
    assert 0.0 <= min(angles) < 0.1 * AJAR
    assert 0.9 * AJAR < max(angles) <= AJAR


def test_the_state_tells_where_the_grip_is():
    env, task = make()
    env.reset(seed=0)
    stand_at(task, 0.45, 0.02, -0.7, 0.5)
    np.testing.assert_allclose(
        task.grip(), [0.45 + GRIP * math.cos(-0.2), 0.02 + GRIP * math.sin(-0.2), HEIGHT], atol=1e-9
    )
    geom = task.world.data.geom("grip").xpos
    np.testing.assert_allclose(task.grip(), geom, atol=1e-9)
    state = task.privileged()
    np.testing.assert_allclose(state["post_position"], [0.45, 0.02])
    np.testing.assert_allclose(state["lever_heading"], [math.sin(-0.2), math.cos(-0.2)])
    np.testing.assert_allclose(state["lever_angle"], [0.5])


def test_success_needs_the_lever_turned_far_enough():
    env, task = make(angle=1.0)
    env.reset(seed=0)
    for angle, enough in ((0.0, False), (0.99, False), (1.01, True), (1.3, True)):
        stand_at(task, *CENTRE, 0.3, angle)
        success, terms = task.judge()
        assert success == enough
        assert terms["turn"] == pytest.approx(min(angle, 1.0))


def test_the_lever_has_to_be_pushed_and_springs_back():
    env, task = make()
    env.reset(seed=0)
    model, data = task.world.model, task.world.data
    hinge = model.joint("lever").dofadr[0]
    for torque, turned in ((0.05, False), (0.6, True)):
        data.qfrc_applied[hinge] = torque
        task.world.advance(2.0)
        assert (task.world.joint("lever") > 1.0) == turned
    data.qfrc_applied[hinge] = 0.0
    task.world.advance(3.0)
    assert task.world.joint("lever") < 0.6


def test_the_front_camera_sees_the_whole_grip_wherever_it_may_be():
    env, task = make()
    env.reset(seed=0)
    for dx, dy in ((-0.05, -0.05), (-0.05, 0.05), (0.05, -0.05), (0.05, 0.05)):
        for heading in (-1.8, -0.8, 0.0, 0.8):
            stand_at(task, CENTRE[0] + dx, CENTRE[1] + dy, heading, 0.0)
            pixels = task.world.render("front", 64, 64).astype(int)
            blue = pixels[..., 2] > pixels[..., :2].max(axis=-1) + 60
            assert blue.sum() >= 25
            assert not np.concatenate([blue[0], blue[-1], blue[:, 0], blue[:, -1]]).any()
    task.world.close()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"post_range": 0.5}, r"env\.post_range"),
        ({"yaw": 4.0}, r"env\.yaw"),
        ({"angle": 0.0}, r"env\.angle"),
        ({"angle": 1.4}, r"env\.angle"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        LeverConfig(**fields)
