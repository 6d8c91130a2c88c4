"""Long tasks, subgoal by subgoal, on a walker whose every step can be worked out."""

import gymnasium as gym
import numpy as np
import pytest

from robolearn.core.errors import SpecError
from robolearn.core.rng import spawn
from robolearn.core.types import EXECUTED, REWARD_TERMS, SUBGOAL, Decision
from robolearn.run.subgoals import evaluate_subgoals

PLACES = {"near": 2, "far": 4, "end": 6}


class Corridor(gym.Env):
    """A walker on the whole numbers that must come by three places, from place 0."""

    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, named=True):
        self.named = named

    def reset(self, *, seed=None, options=None):
        self.at, self.best = 0, 0
        return self.seen(), {}

    def seen(self):
        return {"state/at": np.array([self.at], np.float32)}

    def step(self, action):
        self.at += round(float(action[0]))
        self.best = max(self.best, self.at)
        terms = {SUBGOAL + name: float(self.best >= place) for name, place in PLACES.items()} if self.named else {}
        return self.seen(), 0.0, self.best >= 6, False, {EXECUTED: action, REWARD_TERMS: terms | {"reach": 0.5}}

    def save(self):
        return self.at, self.best

    def restore(self, saved):
        self.at, self.best = saved


class Forth:
    """Goes on by one, but stands still at one place."""

    def __init__(self, stuck_at=None):
        self.stuck_at = stuck_at

    def initial(self, batch_size):
        return None

    def act(self, obs, carry, prev, mode, rng):
        step = 0.0 if obs["state/at"][0, 0] == self.stuck_at else 1.0
        return Decision(action=np.array([[step]], np.float32), carry=None)


class Guide:
    def act(self):
        return np.ones(1, np.float32)


@pytest.mark.parametrize(
    ("stuck_at", "resume", "own"),
    [
        (None, True, [True, True, True]),
        (3, True, [True, False, True]),
        (3, False, [True, False, False]),
        (1, True, [False, True, True]),
        (5, True, [True, True, False]),
    ],
)
def test_a_failed_subgoal_is_done_for_the_policy_and_not_counted(stuck_at, resume, own):
    report = evaluate_subgoals(
        Corridor(), Forth(stuck_at), lambda rng: Guide(), [0, 1], steps=5, rng=spawn(0), resume=resume
    )
    assert report.reached == [own, own]
    summary = report.summary()
    assert summary["score"] == pytest.approx(np.mean(own))
    assert summary["complete"] == float(all(own))
    assert summary["far"] == float(own[1])
    assert (summary["episodes"], summary["skipped"]) == (2.0, 0.0)


def test_each_subgoal_has_its_own_time():
    report = evaluate_subgoals(Corridor(), Forth(), lambda rng: Guide(), [0], steps=1, rng=spawn(0))
    assert report.reached == [[False, False, False]]
    report = evaluate_subgoals(Corridor(), Forth(), lambda rng: Guide(), [0], steps=2, rng=spawn(0))
    assert report.reached == [[True, True, True]]


def test_a_task_without_subgoals_is_refused():
    with pytest.raises(SpecError, match="subgoal/<name>"):
        evaluate_subgoals(Corridor(named=False), Forth(), lambda rng: Guide(), [0], steps=3, rng=spawn(0))
