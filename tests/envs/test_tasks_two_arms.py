"""Lift and handover: two arms in one world, one action."""

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose, quat_from_rotvec
from robolearn.core.rng import spawn
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.tasks.handover import STICK, Handover, HandoverConfig
from robolearn.envs.tasks.lift import BAR, LiftConfig
from robolearn.envs.tasks.two_arms import LEFT, RIGHT, SIDES

CONFIGS = {"lift": LiftConfig, "handover": HandoverConfig}
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


def make(name: str, **fields):
    return build_env(CONFIGS[name](**{"observation": "state", **fields}))


def episode(env, seed: int) -> tuple[bool, int, list[dict]]:
    env.reset(seed=seed)
    expert, infos, done = make_expert(env, spawn(seed, 7)), [], False
    while not done:
        _, reward, terminated, truncated, info = env.step(expert.act())
        infos.append({**info, "reward": reward})
        done = terminated or truncated
    return bool(infos[-1]["success"]), len(infos), infos


@pytest.mark.parametrize("name", CONFIGS)
def test_the_expert_succeeds_without_a_fault(name):
    env = make(name)
    results = [episode(env, seed) for seed in range(20)]
    assert sum(success for success, _, _ in results) >= 19
    assert not any(info["faults"] for _, _, infos in results for info in infos)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_the_expert_succeeds_on_200_seeds(name):
    env = make(name)
    assert sum(episode(env, 1000 + seed)[0] for seed in range(200)) >= 190


@pytest.mark.parametrize("name", CONFIGS)
def test_fourteen_values_command_both_arms_alike(name):
    env = make(name)
    assert env.action_space.shape == (14,)
    for number, arm in enumerate((LEFT, RIGHT)):
        env.reset(seed=0)
        before = {side: env.arms[side].state().pose_tool_in_base.position for side in SIDES}
        action = np.zeros(14, np.float32)
        action[7 * number + 2] = 1.0
        info = env.step(action)[4]
        np.testing.assert_allclose(info["executed_action"], action, atol=1e-6)
        moved = {side: env.arms[side].state().pose_tool_in_base.position - before[side] for side in SIDES}
        other = RIGHT if arm == LEFT else LEFT
        assert moved[arm][2] > 0.02
        assert np.abs(moved[other]).max() < 0.003


@pytest.mark.parametrize(("name", "bar", "middle"), [("lift", BAR, (0.5, 0.0)), ("handover", STICK, Handover.START)])
def test_starts_cover_their_ranges_and_nothing_beyond(name, bar, middle):
    env = make(name)
    task = env.task
    offsets, yaws = [], []
    for seed in range(80):
        env.reset(seed=seed)
        offsets.append(bar.grip(task.world, LEFT, 0.0)[:2] - middle)
        yaws.append(bar.yaw(task.world))
    spread = task.cfg.spread
    assert np.abs(offsets).max() <= spread + 1e-9
    assert (np.ptp(offsets, axis=0) > 1.7 * spread).all()
    assert np.abs(yaws).max() <= 0.25 + 1e-9
    assert np.ptp(yaws) > 0.4


def test_a_bar_in_the_air_that_nobody_holds_is_not_lifted():
    env = make("lift")
    env.reset(seed=0)
    env.task.world.place("bar", Pose(np.array([0.5, 0.0, 0.3]), UPRIGHT))
    env.task.world.refresh()
    success, terms = env.task.judge()
    assert not success
    assert terms["grasp"] == 0.0
    assert terms["lift"] == 1.0


def test_the_lower_end_of_the_bar_is_what_counts():
    env = make("lift")
    env.reset(seed=0)
    world, tilt = env.task.world, 0.3
    world.place("bar", Pose(np.array([0.5, 0.0, 0.2]), quat_from_rotvec(np.array([tilt, 0.0, 0.0]))))
    world.refresh()
    expected = 0.2 - 0.5 * BAR.length * np.sin(tilt) - BAR.half
    assert env.task.height() == pytest.approx(expected, abs=1e-6)


def test_one_hand_on_the_stick_is_no_handover():
    env = make("handover")
    env.reset(seed=3)
    expert = make_expert(env, spawn(3))
    seen: set[tuple[bool, bool]] = set()
    done = False
    while not done:
        _, _, terminated, truncated, info = env.step(expert.act())
        held = env.task.held()
        seen.add((held[LEFT], held[RIGHT]))
        assert info["success"] <= (held[RIGHT] and not held[LEFT])
        done = terminated or truncated
    assert {(False, False), (True, False), (True, True), (False, True)} <= seen


@pytest.mark.parametrize("name", CONFIGS)
def test_the_dense_terms_are_those_of_the_weights_and_grow_on_the_way(name):
    env = make(name, reward="dense")
    _, _, infos = episode(env, 1)
    assert all(info["reward_terms"].keys() == env.task.weights.keys() for info in infos)
    assert all(0.0 <= value <= 1.0 for info in infos for value in info["reward_terms"].values())
    assert infos[-2]["reward"] > infos[0]["reward"] + 0.2


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (LiftConfig, {"cameras": ["wrist"]}, "did you mean"),
        (LiftConfig, {"spread": 0.5}, r"env\.spread"),
        (LiftConfig, {"yaw": 2.0}, r"env\.yaw"),
        (LiftConfig, {"lift_height": 0.0}, r"env\.lift_height"),
        (LiftConfig, {"tilt_max": 0.0}, r"env\.tilt_max"),
        (HandoverConfig, {"spread": 0.5}, r"env\.spread"),
        (HandoverConfig, {"yaw": 2.0}, r"env\.yaw"),
        (HandoverConfig, {"height": 1.0}, r"env\.height"),
    ],
)
def test_a_bad_setting_is_one_clear_error(config, fields, message):
    with pytest.raises(ConfigError, match=message):
        config(**fields)
