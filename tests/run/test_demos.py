"""What demonstrations hold: disturbed motion, and what the expert intended."""

from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise

import numpy as np
import pytest

from robolearn.assembly import demos
from robolearn.core.errors import DataError
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec
from robolearn.core.types import INTENDED
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.tasks.lift import LiftConfig
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.run.demos import Nudges, check_demos, collect_demos, with_intentions


@pytest.fixture(scope="module")
def episodes():
    return {chance: _recorded(chance) for chance in (0.0, 0.3)}


def _recorded(chance: float):
    env = build_env(ReachConfig(observation="state"))
    nudges = partial(Nudges, env.env_spec.action, chance) if chance else None
    try:
        return collect_demos(env, lambda rng: make_expert(env, rng), 8, 0, nudges)
    finally:
        env.close()


def _actions(episodes):
    rows = [step for episode in episodes for step in episode[:-1]]
    return np.stack([step.action for step in rows]), np.stack([step.extra[INTENDED] for step in rows])


def test_undisturbed_demonstrations_execute_what_is_intended(episodes):
    assert all(INTENDED not in step.extra for episode in episodes[0.0] for step in episode)
    executed, intended = _actions([with_intentions(episode) for episode in episodes[0.0]])
    np.testing.assert_array_equal(executed, intended)


def test_a_nudge_is_executed_and_not_intended(episodes):
    executed, intended = _actions(episodes[0.3])
    nudged = np.abs(executed - intended).max(axis=-1) > 0.02
    assert nudged.mean() == pytest.approx(0.56, abs=0.15), "3 steps with one, on average, after 2.3 without"
    assert np.abs(executed - intended).max() > 0.7
    assert all(episode[-1].success for episode in episodes[0.3])


def test_what_is_intended_leads_back(episodes):
    """After a push to one side the expert intends the other, so the two go against each other one step later."""
    rows = [(a, b) for episode in episodes[0.3] for a, b in pairwise(episode[:-1])]
    pushes = np.array([before.action - before.extra[INTENDED] for before, _ in rows])
    change = np.array([after.extra[INTENDED] - before.extra[INTENDED] for before, after in rows])
    assert np.corrcoef(pushes.ravel(), change.ravel())[0, 1] < -0.1


def test_a_nudge_lasts_one_to_five_steps_and_is_the_same_all_the_while():
    spec = ActionSpec(parts=(ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3),))
    nudge = Nudges(spec, 0.2, np.random.default_rng(0))
    sent = [tuple(nudge(np.zeros(3, np.float32)).tolist()) for _ in range(3000)]
    runs = [(push, len(list(steps))) for push, steps in groupby(sent)]
    lengths = [length for push, length in runs if any(push)]
    assert set(lengths) == {1, 2, 3, 4, 5}
    assert np.mean(lengths) == pytest.approx(3.0, abs=0.3)
    assert np.mean([length for push, length in runs if not any(push)]) == pytest.approx(5.0, abs=0.8)


def test_a_nudge_spares_fingers_and_is_halved_on_joints():
    kinds = ((ActionKind.TRANSLATION_DELTA, 3), (ActionKind.JOINT_DELTA, 2), (ActionKind.GRIPPER, 1))
    spec = ActionSpec(parts=tuple(ActionPart(arm="arm", kind=kind, size=size) for kind, size in kinds))
    nudge = Nudges(spec, 1.0, np.random.default_rng(0))
    furthest = np.abs([nudge(np.zeros(6, np.float32)) for _ in range(1000)]).max(axis=0)
    np.testing.assert_allclose(furthest, [1.0, 1.0, 1.0, 0.5, 0.5, 0.0], atol=0.03)


def test_what_is_sent_stays_an_action():
    spec = ActionSpec(parts=(ActionPart(arm="arm", kind=ActionKind.TRANSLATION_DELTA, size=3),))
    nudge = Nudges(spec, 1.0, np.random.default_rng(0))
    assert max(np.abs(nudge(np.ones(3, np.float32))).max() for _ in range(50)) == 1.0


def test_a_seed_gives_the_same_disturbed_demonstrations(episodes):
    executed, intended = _actions(_recorded(0.3))
    np.testing.assert_array_equal(executed, _actions(episodes[0.3])[0])
    np.testing.assert_array_equal(intended, _actions(episodes[0.3])[1])


def test_where_nothing_says_what_was_intended_it_is_what_was_executed(episodes):
    bare = [[replace(step, extra={}) for step in episode] for episode in episodes[0.3]]
    executed, intended = _actions([with_intentions(episode) for episode in bare])
    np.testing.assert_array_equal(executed, intended)
    kept = [with_intentions(episode) for episode in episodes[0.3]]
    np.testing.assert_array_equal(_actions(kept)[1], _actions(episodes[0.3])[1])


def test_an_expert_that_fails_is_given_up_with_numbers():
    class Idle:
        def act(self):
            return np.zeros(3, np.float32)

    env = build_env(ReachConfig(observation="state", max_steps=2))
    with pytest.raises(DataError, match="1 successes"):
        collect_demos(env, lambda rng: Idle(), 1, 0)
    env.close()


def test_too_few_successes_are_named(episodes):
    with pytest.raises(DataError, match="9 successful demonstrations"):
        check_demos(episodes[0.0], "demos.hdf5", 9)


@pytest.mark.parametrize(
    ("cfg", "usual"), [(ReachConfig(observation="state"), 0.3), (LiftConfig(observation="state"), 0.05)]
)
def test_how_often_an_expert_is_nudged_is_up_to_the_task_where_nothing_is_said(cfg, usual):
    own, said, none = (_executed(demos.record(cfg, 3, 0, chance)) for chance in (None, usual, 0.0))
    assert own == said
    assert own != none


def _executed(episodes):
    return [step.action.tolist() for episode in episodes for step in episode]
