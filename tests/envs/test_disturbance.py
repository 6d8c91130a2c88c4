"""Disturbances: bodies that lie still are moved within reach, held ones are not, and seeds and snapshots repeat it."""

from dataclasses import replace

import numpy as np
import pytest

from robolearn.core.errors import ConfigError
from robolearn.core.rng import spawn
from robolearn.envs.adapters.config import GymnasiumConfig
from robolearn.envs.build import make_expert
from robolearn.envs.config import DisturbanceConfig, WrappersConfig
from robolearn.envs.dress import make_env
from robolearn.envs.tasks.place import PlaceConfig
from robolearn.envs.tasks.stack import StackConfig


def disturbed(cfg, **fields):
    return make_env(replace(cfg, wrappers=WrappersConfig(disturbance=DisturbanceConfig(**fields))))


def test_what_lies_still_is_moved_within_its_limits_to_where_it_overlaps_nothing():
    env = disturbed(StackConfig(observation="state"), chance=1.0, shift=0.04, turn=0.3)
    world = env.unwrapped.task.world
    still = np.zeros(env.action_space.shape, np.float32)
    moved = set()
    for seed in range(10):
        env.reset(seed=seed)
        before = {body: world.pose(body) for body in world.loose()}
        info = env.step(still)[4]
        for body, pose in before.items():
            way = np.abs(world.pose(body).position - pose.position)
            if body == info["disturbed"]:
                assert 1e-4 < way[:2].max() < 0.041
            else:
                assert way.max() < 1e-3
            assert world.overlap(body) < 2e-3
        moved.add(info["disturbed"])
    assert moved >= set(world.loose())
    env.close()


def test_what_is_held_is_left_alone():
    env = disturbed(PlaceConfig(observation="state"), chance=1.0, shift=0.04)
    world = env.unwrapped.task.world
    bare = make_env(PlaceConfig(observation="state"))
    bare.reset(seed=3)
    expert = make_expert(bare, spawn(0))
    while not bare.unwrapped.task.world.handled("cube"):
        bare.step(expert.act())
    env.reset(seed=3)
    world.restore(bare.unwrapped.task.world.save())
    assert world.handled("cube")
    assert env.step(np.zeros(env.action_space.shape, np.float32))[4]["disturbed"] == ""
    env.close()
    bare.close()


def test_seeds_and_snapshots_repeat_it_and_no_chance_means_no_wrapper():
    cfg = PlaceConfig(observation="state")
    env = disturbed(cfg, chance=0.5)
    still = np.zeros(env.action_space.shape, np.float32)

    def run(steps):
        return [env.step(still) for _ in range(steps)]

    env.reset(seed=5)
    first = run(3)
    saved = env.get_wrapper_attr("save")()
    rest = run(5)
    env.reset(seed=5)
    again = run(8)
    env.get_wrapper_attr("restore")(saved)
    restored = run(5)
    for one, other in [*zip(first + rest, again, strict=True), *zip(rest, restored, strict=True)]:
        np.testing.assert_array_equal(one[0]["state/cube_position"], other[0]["state/cube_position"])
    assert {step[4]["disturbed"] for step in again} == {"", "cube"}
    env.close()
    plain = disturbed(cfg)
    assert "disturbed" not in plain.reset(seed=0)[1]
    plain.close()


def test_only_tasks_of_ours_can_be_disturbed():
    with pytest.raises(ConfigError, match="a task of ours"):
        disturbed(GymnasiumConfig(id="Pendulum-v1", observation="state"), chance=0.1)
    with pytest.raises(ConfigError, match="a chance"):
        DisturbanceConfig(chance=2.0)
