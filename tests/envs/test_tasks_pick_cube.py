"""Pick-cube: what is randomised, what counts as success, what is rewarded, and how well the expert does."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose
from robolearn.core.rng import spawn
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.base import ARM, yaw_of
from robolearn.envs.tasks.layout import flat
from robolearn.envs.tasks.pick_cube import CENTRE, HALF, PickCube, PickCubeConfig
from robolearn.envs.wrappers import RelativeFrame

FAST = {"observation": "state"}
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


def make(**fields) -> tuple[RobotEnv, PickCube]:
    env = build_env(PickCubeConfig(**{**FAST, **fields}))
    assert isinstance(env.task, PickCube)
    return env, env.task


def solved(env, seed: int) -> bool:
    """Return whether the expert's episode ends in success."""
    env.reset(seed=seed)
    return finished(env, make_expert(env, spawn(seed, 7)))


def finished(env, expert) -> bool:
    """Return whether an expert ends a begun episode in success."""
    done, info = False, {}
    while not done:
        _, _, terminated, truncated, info = env.step(expert.act())
        done = terminated or truncated
    return bool(info["success"])


def test_the_expert_speaks_the_outermost_coordinates():
    env, _ = make(proprio=["position", "gripper"], action="xyz_rotation_gripper")
    outer = RelativeFrame(env)
    assert sum(solved(outer, seed) for seed in range(10)) >= 9


def test_doing_nothing_is_cut_at_the_time_limit_and_not_terminal():
    env, _ = make(max_steps=4)
    env.reset(seed=0)
    hold = np.array([0, 0, 0, 0, 1], np.float32)
    ends = [env.step(hold)[2:4] for _ in range(4)]
    assert ends == [(False, False)] * 3 + [(False, True)]


def test_starts_cover_their_ranges_and_nothing_beyond():
    env, task = make(cube_range=0.2, yaw=math.pi)
    cubes, yaws, tools = [], [], []
    for seed in range(150):
        env.reset(seed=seed)
        pose = task.world.pose("cube")
        cubes.append(pose.position)
        yaws.append(yaw_of(pose.quat_wxyz))
        tools.append(task.arm.tool().position)
    offsets = np.array(cubes)[:, :2] - CENTRE
    assert np.abs(offsets).max() <= 0.1
    assert (offsets.max(axis=0) > 0.085).all()
    assert (offsets.min(axis=0) < -0.085).all()
    np.testing.assert_allclose(np.array(cubes)[:, 2], HALF)
    assert max(yaws) > 2.7
    assert min(yaws) < -2.7
    assert (np.ptp(tools, axis=0) > (0.08, 0.08, 0.05)).all()


def test_a_narrow_setting_stays_narrow():
    env, task = make(cube_range=0.0, yaw=0.0)
    for seed in range(3):
        env.reset(seed=seed)
        pose = task.world.pose("cube")
        np.testing.assert_allclose(pose.position, [*CENTRE, HALF])
        np.testing.assert_allclose(pose.quat_wxyz, UPRIGHT)


def test_a_cube_in_the_air_that_is_not_held_is_no_success():
    env, task = make()
    env.reset(seed=0)
    tool = task.arm.tool()
    task.world.place("cube", Pose(np.array([0.5, 0.1, 0.3]), UPRIGHT))
    task.world.refresh()
    assert not task.judge()[0]
    task.world.place("cube", Pose(tool.position, UPRIGHT))
    task.world.refresh()
    assert not task.judge()[0]


def test_state_observations_are_what_the_world_knows():
    env, task = make()
    obs, _ = env.reset(seed=1)
    pose = task.world.pose("cube")
    np.testing.assert_allclose(obs["state/cube_position"], pose.position, atol=1e-6)
    np.testing.assert_allclose(obs["state/cube_quat_wxyz"], pose.quat_wxyz, atol=1e-6)
    yaw = yaw_of(pose.quat_wxyz)
    np.testing.assert_allclose(obs["state/cube_symmetric_yaw"], [math.sin(4 * yaw), math.cos(4 * yaw)], atol=1e-6)
    assert not any(key.startswith("pixels/") for key in obs)


@given(angle=st.floats(-3.0 * math.pi, 3.0 * math.pi))
def test_the_expert_turns_the_short_way(angle):
    env, task = SHARED
    turn = task.expert(env, spawn(0)).shortest_turn(ARM, angle)
    assert abs(turn) <= math.pi + 1e-9
    assert abs(math.remainder(turn - angle, math.tau)) < 1e-6


@pytest.mark.parametrize("degrees", [0, 20, 45])
def test_the_expert_takes_a_cube_however_it_is_turned(degrees):
    env, task = make()
    env.reset(seed=3)
    heading = yaw_of(task.arm.tool().quat_wxyz) + math.radians(degrees)
    x, y, z = task.world.pose("cube").position.tolist()
    task.world.place("cube", flat(x, y, z, heading))
    task.world.refresh()
    assert finished(env, make_expert(env, spawn(3, 7)))
    # Fingers that cannot line a cube up hold it across its diagonal.
    assert (task.arm.opening() > 0.6) == (degrees == 45)


def test_actions_with_and_without_turning():
    assert make()[0].action_space.shape == (5,)
    assert make(action="xyz_gripper")[0].action_space.shape == (4,)
    assert make(action="xyz_rotation_gripper")[0].action_space.shape == (7,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cameras": ["frnt"]}, "did you mean front"),
        ({"cameras": ["front", "front"]}, "different cameras"),
        ({"cameras": []}, "a camera for image observations"),
        ({"image_size": 0}, "16 to 512"),
        ({"image_size": 10_000}, "16 to 512"),
        ({"action": "xyz_yaw_griper"}, "did you mean xyz_yaw_gripper"),
        ({"action": "xyz"}, "an action with a gripper"),
        ({"frame": "world"}, "did you mean"),
        ({"reward": "spars"}, "did you mean sparse"),
        ({"observation": "image"}, "did you mean images"),
        ({"cube_range": 2.0}, "env.cube_range"),
        ({"yaw": 7.0}, "env.yaw"),
        ({"lift_height": 0.0}, "env.lift_height"),
        ({"rate_hz": 0.0}, "env.rate_hz"),
        ({"max_steps": 0}, "env.max_steps"),
        ({"translation_scale": 0.0}, "env.translation_scale"),
        ({"proprio": ["positon"], "observation": "state"}, "did you mean position"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        build_env(PickCubeConfig(**fields))


SHARED = make()
SHARED[0].reset(seed=0)
