"""Stow: its subgoals come in order, its expert reaches them all, and the long-horizon protocol goes on after a failed one."""

import numpy as np
import pytest

from robolearn.core.geometry import Pose
from robolearn.core.rng import EVAL_SEEDS, spawn
from robolearn.core.types import REWARD_TERMS, SUBGOAL, SUCCESS, Decision
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.tasks.stow import CUBE, SHUT, StowConfig
from robolearn.run.subgoals import evaluate_subgoals


def stow(**fields):
    return build_env(StowConfig(**{"observation": "state", **fields}))


def reached(info) -> list[str]:
    return [name for name, value in info[REWARD_TERMS].items() if name.startswith(SUBGOAL) and value]


def test_subgoals_come_one_after_another_and_the_last_is_success():
    env = stow()
    env.reset(seed=1)
    task, world = env.task, env.task.world
    still = np.zeros(env.env_spec.action.size, np.float32)
    still[-1] = 1.0
    assert reached(env.step(still)[4]) == []
    world.set_joint("drawer", 0.115)
    world.refresh()
    assert reached(env.step(still)[4]) == [SUBGOAL + "open"]
    world.place("cube", Pose(task.spot(), world.pose("chest").quat_wxyz))
    world.refresh()
    info = env.step(still)[4]
    assert reached(info) == [SUBGOAL + "open", SUBGOAL + "inside"]
    assert not info[SUCCESS]
    world.set_joint("drawer", 0.5 * SHUT)
    world.refresh()
    world.place("cube", Pose(task.spot(), world.pose("chest").quat_wxyz))
    world.refresh()
    _, reward, terminated, _, info = env.step(still)
    assert reached(info) == [SUBGOAL + name for name in ("open", "inside", "shut")]
    assert (reward, terminated, info[SUCCESS]) == (1.0, True, True)
    env.close()


def test_a_cube_on_the_chest_or_beside_it_is_not_inside():
    env = stow()
    env.reset(seed=2)
    task, world = env.task, env.task.world
    chest = world.pose("chest")
    for x, y, z in ((0.0, 0.0, 0.065 + CUBE), (0.2, 0.0, CUBE), (0.0, 0.12, CUBE)):
        world.place("cube", chest @ Pose(np.array([x, y, z]), np.array([1.0, 0.0, 0.0, 0.0])))
        world.refresh()
        assert not task.inside()
    env.close()


class Idle:
    """Does nothing at all."""

    def __init__(self, size: int) -> None:
        self.size = size

    def initial(self, batch_size):
        return None

    def act(self, obs, carry, prev, mode, rng):
        return Decision(action=np.zeros((1, self.size), np.float32), carry=None)


class Scripted:
    """Follows the expert, whatever state the env is put into."""

    def __init__(self, env) -> None:
        self.env = env

    def initial(self, batch_size):
        return make_expert(self.env, spawn(7))

    def act(self, obs, carry, prev, mode, rng):
        return Decision(action=carry.act()[None], carry=carry)


@pytest.mark.parametrize("policy", ["idle", "scripted"])
def test_who_does_nothing_is_led_through_and_scores_nothing_and_the_expert_scores_everything(policy):
    env = stow()
    acting = Idle(env.env_spec.action.size) if policy == "idle" else Scripted(env)
    report = evaluate_subgoals(
        env,
        acting,
        lambda rng: make_expert(env, rng),
        EVAL_SEEDS[:2],
        steps=3 if policy == "idle" else 120,
        rng=spawn(0),
    )
    assert report.skipped == 0
    assert report.summary()["score"] == (0.0 if policy == "idle" else 1.0)
    env.close()
