"""Drawer: what is randomised, what counts as success, how it resists, and how well the expert does."""

import math

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose, quat_from_rotvec
from robolearn.envs.build import build_env
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.drawer import AJAR, CENTRE, TRAVEL, Drawer, DrawerConfig


def make(**fields) -> tuple[RobotEnv, Drawer]:
    env = build_env(DrawerConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Drawer)
    return env, env.task


def test_chests_cover_their_range_and_start_almost_shut():
    env, task = make()
    chests, yaws, ajar = [], [], []
    for seed in range(150):
        env.reset(seed=seed)
        chests.append(task.world.pose("chest").position)
        yaws.append(task.heading())
        ajar.append(task.world.joint("drawer"))
        assert not task.judge()[0]
    offsets = np.array(chests)[:, :2] - CENTRE
    assert np.abs(offsets).max() <= 0.04
    assert (np.ptp(offsets, axis=0) > 0.07).all()
    assert max(np.abs(yaws)) <= 0.35
    assert np.ptp(yaws) > 0.6
    assert 0.0 <= min(ajar) < 0.001
    assert 0.9 * AJAR < max(ajar) <= AJAR


def test_the_handle_moves_with_the_chest_and_the_drawer():
    env, task = make()
    env.reset(seed=0)
    yaw = 0.3
    task.world.place("chest", Pose(np.array([0.4, 0.02, 0.0]), quat_from_rotvec(np.array([0.0, 0.0, yaw]))))
    task.world.set_joint("drawer", 0.0)
    task.world.refresh()
    shut = task.handle()
    task.world.set_joint("drawer", 0.07)
    task.world.refresh()
    np.testing.assert_allclose(task.handle() - shut, 0.07 * np.array([math.cos(yaw), math.sin(yaw), 0.0]), atol=1e-9)
    assert task.heading() == pytest.approx(yaw)
    state = task.privileged()
    np.testing.assert_allclose(state["handle_position"], task.handle())
    np.testing.assert_allclose(state["drawer_heading"], [math.sin(yaw), math.cos(yaw)])
    np.testing.assert_allclose(state["drawer_opening"], [0.07])


def test_success_needs_the_drawer_open_far_enough():
    env, task = make(opening=0.1)
    env.reset(seed=0)
    for opening, enough in ((0.0, False), (0.099, False), (0.101, True), (TRAVEL, True)):
        task.world.set_joint("drawer", opening)
        task.world.refresh()
        success, terms = task.judge()
        assert success == enough
        assert terms["open"] == pytest.approx(min(opening / 0.1, 1.0))


def test_the_drawer_has_to_be_pulled():
    env, task = make()
    env.reset(seed=0)
    model, data = task.world.model, task.world.data
    slide = model.joint("drawer").dofadr[0]
    before = task.world.joint("drawer")
    for force, moved in ((2.0, False), (8.0, True)):
        data.qfrc_applied[slide] = force
        task.world.advance(0.5)
        assert (task.world.joint("drawer") > before + 0.02) == moved
    data.qfrc_applied[slide] = 0.0
    task.world.advance(0.3)
    rest = task.world.joint("drawer")
    task.world.advance(0.5)
    assert task.world.joint("drawer") == pytest.approx(rest, abs=5e-4)


def test_the_front_camera_sees_the_whole_handle_shut_and_open():
    env, task = make(yaw=0.0, chest_range=0.0)
    env.reset(seed=0)
    for dx, dy, yaw in ((-0.04, -0.04, -0.35), (-0.04, 0.04, 0.35), (0.04, -0.04, -0.35), (0.04, 0.04, 0.35)):
        position = np.array([CENTRE[0] + dx, CENTRE[1] + dy, 0.0])
        task.world.place("chest", Pose(position, quat_from_rotvec(np.array([0.0, 0.0, yaw]))))
        for opening in (0.0, 0.1):
            task.world.set_joint("drawer", opening)
            task.world.refresh()
            pixels = task.world.render("front", 64, 64).astype(int)
            red = (pixels[..., 0] > 90) & (pixels[..., 1:].max(axis=-1) < 80)
            assert red.sum() >= 30
            assert not np.concatenate([red[0], red[-1], red[:, 0], red[:, -1]]).any()
    task.world.close()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chest_range": 0.5}, r"env\.chest_range"),
        ({"yaw": 2.0}, r"env\.yaw"),
        ({"opening": 0.0}, r"env\.opening"),
        ({"opening": 0.2}, r"env\.opening"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        DrawerConfig(**fields)
