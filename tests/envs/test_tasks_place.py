"""Place: what is randomised, what counts as success, what is rewarded, and how well the expert does."""

import math

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose
from robolearn.envs.build import build_env
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.base import turned_down, yaw_of
from robolearn.envs.tasks.grasp import held
from robolearn.envs.tasks.layout import flat
from robolearn.envs.tasks.place import APART, CENTRE, FLOOR, HALF, RIM, Place, PlaceConfig

LYING = FLOOR + HALF


def make(**fields) -> tuple[RobotEnv, Place]:
    env = build_env(PlaceConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Place)
    return env, env.task


def settle(task, cube: Pose) -> tuple[bool, dict[str, float]]:
    """Put the cube somewhere, let it fall for a second, and judge."""
    task.world.place("cube", cube)
    task.world.refresh()
    task.world.advance(1.0)
    return task.judge()


def test_success_is_a_cube_at_rest_on_the_floor_of_the_bin():
    env, task = make()
    env.reset(seed=0)
    x, y, _ = task.world.pose("bin").position.tolist()
    success, terms = settle(task, flat(x + 0.02, y, LYING + 0.005, 0.3))
    assert success
    assert terms["inside"] == terms["carry"] == 1.0


def test_a_cube_beside_the_bin_on_its_rim_above_it_or_moving_is_no_success():
    env, task = make()
    env.reset(seed=0)
    x, y, _ = task.world.pose("bin").position.tolist()
    for cube in (flat(x + 0.1, y, HALF, 0.0), flat(x + 0.063, y, RIM + HALF, 0.0)):
        success, terms = settle(task, cube)
        assert not success
        assert terms["inside"] == 0.0
    task.world.place("cube", flat(x, y, 0.1, 0.0))
    task.world.advance(0.02)
    assert not task.judge()[0]
    assert task.world.speed("cube") > 0.1


def test_a_cube_that_fingers_hold_in_the_bin_is_no_success():
    env, task = make()
    env.reset(seed=0)
    x, y, _ = task.world.pose("bin").position.tolist()
    task.arm.reset(task.arm.solve(Pose(np.array([x, y, LYING + 0.01]), turned_down(0.0))))
    task.world.place("cube", flat(x, y, LYING, 0.0))
    task.arm.grip(2.0 * HALF)
    task.world.advance(0.5)
    success, terms = task.judge()
    assert held(task.world, "cube")
    assert task.world.touching("cube", "bin_floor")
    assert terms["inside"] == 1.0
    assert not success


def test_starts_cover_their_ranges_and_nothing_beyond():
    env, task = make()
    cubes, bins, yaws = [], [], []
    for seed in range(150):
        env.reset(seed=seed)
        cube = task.world.pose("cube")
        cubes.append(cube.position[:2])
        bins.append(task.world.pose("bin").position[:2])
        yaws.append(yaw_of(cube.quat_wxyz))
    apart = np.linalg.norm(np.subtract(cubes, bins), axis=1)
    assert APART[0] <= apart.min() < APART[0] + 0.003
    assert APART[1] - 0.003 < apart.max() <= APART[1]
    middle = 0.5 * np.add(cubes, bins) - CENTRE
    assert np.abs(middle).max() <= 0.04
    assert (np.ptp(middle, axis=0) > 0.07).all()
    for places in (cubes, bins):
        assert (np.ptp(places, axis=0) > 0.2).all()
    assert max(yaws) > 2.7
    assert min(yaws) < -2.7


def test_the_front_camera_sees_cube_and_bin_wherever_they_start():
    env = build_env(PlaceConfig(cameras=["front"]))
    for seed in range(25):
        obs, _ = env.reset(seed=seed)
        r, g, b = (obs["pixels/front"][..., i].astype(int) for i in range(3))
        assert ((r > 120) & (g < 80) & (b < 80)).sum() >= 15
        green = (g > r + 30) & (g > b + 20)
        assert green.sum() >= 20
        assert not green[:, [0, -1]].any()
    env.close()


def test_state_observations_are_what_the_world_knows():
    env, task = make()
    obs, _ = env.reset(seed=1)
    state = {name: np.asarray(value, np.float32) for name, value in obs.items()}
    cube = task.world.pose("cube")
    yaw = yaw_of(cube.quat_wxyz)
    np.testing.assert_allclose(state["state/cube_position"], cube.position, atol=1e-6)
    np.testing.assert_allclose(state["state/cube_quat_wxyz"], cube.quat_wxyz, atol=1e-6)
    np.testing.assert_allclose(state["state/cube_symmetric_yaw"], [math.sin(4 * yaw), math.cos(4 * yaw)], atol=1e-5)
    np.testing.assert_allclose(state["state/bin_position"], task.world.pose("bin").position, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": "xyz_yaw"}, "an action with a gripper"),
        ({"middle_range": 0.5}, "env.middle_range"),
        ({"yaw": 4.0}, "env.yaw"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        PlaceConfig(**fields)
