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
        assert moved[arm][2] < -0.02  # the z axis of a tool points out of the hand, which points down
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


def test_hands_meet_each_other_and_not_themselves():
    env = make("lift")
    env.reset(seed=0)
    world, arms = env.task.world, env.task.arms
    place = np.array([0.5, 0.0, 0.4])
    for arm, aside in ((LEFT, 0.02), (RIGHT, -0.02)):
        arms[arm].reset(arms[arm].solve(Pose(place + np.array([0.0, aside, 0.0]), arms[arm].tool().quat_wxyz)))
    world.place("bar", Pose(np.array([0.5, 0.0, 0.02]), UPRIGHT))
    world.advance(0.01)
    bodies = {
        tuple(world.model.body(world.model.geom_bodyid[geom]).name.split("/")[0] for geom in pair)
        for pair in world.data.contact.geom
    }
    assert (LEFT, RIGHT) in bodies or (RIGHT, LEFT) in bodies
    assert not {(LEFT, LEFT), (RIGHT, RIGHT)} & bodies


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
