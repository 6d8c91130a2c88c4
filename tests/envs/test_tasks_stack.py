"""Stack: what is randomised, what counts as success, what is rewarded, and how well the expert does."""

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose
from robolearn.envs.build import build_env
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.tasks.base import turned_down, yaw_of
from robolearn.envs.tasks.grasp import held
from robolearn.envs.tasks.layout import flat
from robolearn.envs.tasks.stack import APART, CENTRE, HALF, Stack, StackConfig

X, Y = CENTRE


def make(**fields) -> tuple[RobotEnv, Stack]:
    env = build_env(StackConfig(**{"observation": "state", **fields}))
    assert isinstance(env.task, Stack)
    return env, env.task


def settle(task, cube: Pose, base: Pose, seconds: float = 1.0) -> tuple[bool, dict[str, float]]:
    """Put both cubes somewhere, let them fall, and judge."""
    task.world.place("cube", cube)
    task.world.place("base", base)
    task.world.refresh()
    task.world.advance(seconds)
    return task.judge()


@pytest.mark.parametrize(("offset", "yaw"), [(0.0, 0.0), (0.018, 0.0), (0.0, 0.7)])
def test_success_is_a_cube_at_rest_on_the_other(offset, yaw):
    env, task = make()
    env.reset(seed=0)
    success, terms = settle(task, flat(X + offset, Y, 3.0 * HALF + 0.001, yaw), flat(X, Y, HALF, 0.0))
    assert success
    assert terms["stacked"] == terms["carry"] == 1.0


WRONG = {
    "beside": (flat(X + 0.06, Y, HALF, 0.0), flat(X, Y, HALF, 0.0)),
    "the other way round": (flat(X, Y, HALF, 0.0), flat(X, Y, 3.0 * HALF, 0.0)),
    "beyond the tolerance": (flat(X + 0.0215, Y, 3.0 * HALF, 0.0), flat(X, Y, HALF, 0.0)),
    "thrown off": (flat(X + 0.04, Y, 3.0 * HALF, 0.0), flat(X, Y, HALF, 0.0)),
}


@pytest.mark.parametrize(("cube", "base"), WRONG.values(), ids=WRONG)
def test_what_is_no_stack_is_no_success(cube, base):
    env, task = make()
    env.reset(seed=0)
    success, terms = settle(task, cube, base)
    assert not success
    assert terms["stacked"] == 0.0


def test_a_cube_that_still_moves_or_only_hangs_above_is_no_success():
    env, task = make()
    env.reset(seed=0)
    assert not settle(task, flat(X, Y, 3.0 * HALF + 0.003, 0.0), flat(X, Y, HALF, 0.0), seconds=0.005)[0]
    assert not settle(task, flat(X, Y, 0.2, 0.0), flat(X, Y, HALF, 0.0), seconds=0.17)[0]


def test_a_cube_that_fingers_hold_on_the_other_is_no_success():
    env, task = make()
    env.reset(seed=0)
    task.arm.reset(task.arm.solve(Pose(np.array([X, Y, 3.0 * HALF + 0.01]), turned_down(0.0))))
    task.world.place("base", flat(X, Y, HALF, 0.0))
    task.world.place("cube", flat(X, Y, 3.0 * HALF, 0.0))
    task.arm.grip(2.0 * HALF)
    task.world.advance(0.5)
    success, terms = task.judge()
    assert held(task.world, "cube")
    assert terms["stacked"] == 1.0
    assert not success


def test_starts_cover_their_ranges_and_nothing_beyond():
    env, task = make()
    places: dict[str, list] = {"cube": [], "base": []}
    yaws: dict[str, list] = {"cube": [], "base": []}
    for seed in range(150):
        env.reset(seed=seed)
        for name in places:
            pose = task.world.pose(name)
            places[name].append(pose.position[:2])
            yaws[name].append(yaw_of(pose.quat_wxyz))
    apart = np.linalg.norm(np.subtract(places["cube"], places["base"]), axis=1)
    assert APART[0] <= apart.min() < APART[0] + 0.005
    assert APART[1] - 0.005 < apart.max() <= APART[1]
    middle = 0.5 * np.add(places["cube"], places["base"]) - CENTRE
    assert np.abs(middle).max() <= 0.05
    assert (np.ptp(middle, axis=0) > 0.085).all()
    for name in places:
        assert (np.ptp(places[name], axis=0) > 0.18).all()
        assert max(yaws[name]) > 2.7
        assert min(yaws[name]) < -2.7


def test_the_front_camera_sees_both_cubes_wherever_they_start():
    env = build_env(StackConfig(cameras=["front"]))
    for seed in range(25):
        obs, _ = env.reset(seed=seed)
        r, g, b = (obs["pixels/front"][..., i].astype(int) for i in range(3))
        for mask in ((r > 120) & (g < 80) & (b < 80), (g > r + 30) & (g > b + 20)):
            assert mask.sum() >= 15
            assert not mask[-1].any()
            assert not mask[:, [0, -1]].any()
    env.close()


def test_state_observations_are_what_the_world_knows():
    env, task = make()
    obs, _ = env.reset(seed=1)
    state = {name: np.asarray(value, np.float32) for name, value in obs.items()}
    for name in ("cube", "base"):
        pose = task.world.pose(name)
        yaw = 4.0 * yaw_of(pose.quat_wxyz)
        np.testing.assert_allclose(state[f"state/{name}_position"], pose.position, atol=1e-6)
        np.testing.assert_allclose(state[f"state/{name}_quat_wxyz"], pose.quat_wxyz, atol=1e-6)
        np.testing.assert_allclose(state[f"state/{name}_symmetric_yaw"], [np.sin(yaw), np.cos(yaw)], atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": "xyz"}, "an action with a gripper"),
        ({"middle_range": 0.5}, "env.middle_range"),
        ({"yaw": 4.0}, "env.yaw"),
        ({"tolerance": 0.03}, "env.tolerance"),
    ],
)
def test_a_bad_setting_is_one_clear_error(fields, message):
    with pytest.raises(ConfigError, match=message):
        StackConfig(**fields)
