"""Monte-Carlo evaluation, on numbers that can be worked out by hand."""

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from robolearn.cli.main import main
from robolearn.core.errors import ConfigError
from robolearn.core.rng import spawn
from robolearn.core.types import EXECUTED, Decision, Mode
from robolearn.envs.build import build_env, make_expert
from robolearn.envs.tasks.reach import ReachConfig
from robolearn.run.montecarlo import compare, critic_bias, monte_carlo, visit


class Corridor(gym.Env):
    """A walker on the whole numbers: it moves by its action, is paid its place, and ends at 3; cut after 6 steps."""

    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.at, self.steps = int(seed or 0) % 3, 0
        return self.seen(), {}

    def seen(self):
        return {"state/at": np.array([self.at], np.float32)}

    def step(self, action):
        self.at, self.steps = self.at + round(float(action[0])), self.steps + 1
        return self.seen(), float(self.at), self.at >= 3, self.steps >= 6, {EXECUTED: action}

    def save(self):
        return self.at, self.steps

    def restore(self, saved):
        self.at, self.steps = saved


class Always:
    """Goes by one, always; believes in what it is given."""

    discount = 0.5

    def __init__(self, step=1.0, belief=0.0):
        self.step, self.belief = step, belief

    def initial(self, batch_size):
        return None

    def act(self, obs, carry, prev, mode, rng):
        return Decision(action=np.array([[self.step]], np.float32), carry=None)

    def action_values(self, obs, action):
        return np.full(len(action), self.belief, np.float32)


def test_returns_are_discounted_sums_from_a_saved_state_for_each_action():
    env = Corridor()
    (start,) = visit(env, Always(), [0], 1, mode=Mode.EXPLORE, rng=spawn(3))
    start = replace(start, state=(0, 0))
    forth, still = (np.array([step], np.float32) for step in (1.0, 0.0))
    found = monte_carlo(env, start, [forth, still], Always(), 0.5, mode=Mode.EXPLORE, rng=spawn(0))
    assert [item.discounted for item in found] == [1 + 0.5 * 2 + 0.25 * 3, 0 + 0.5 * 1 + 0.25 * 2 + 0.125 * 3]
    assert all(item.ended for item in found)
    (cut,) = monte_carlo(env, start, [still], Always(0.0), 0.5, mode=Mode.EXPLORE, rng=spawn(0))
    assert (cut.discounted, cut.ended) == (0.0, False)
    (short,) = monte_carlo(env, start, [forth], Always(), 0.5, mode=Mode.EXPLORE, rng=spawn(0), horizon=2)
    assert (short.discounted, short.ended) == (2.0, False)


def test_bias_of_a_critic_is_what_it_says_less_what_follows():
    expected = {0: 2.75, 1: 3.5, 2: 3.0}  # 1 + 2/2 + 3/4, 2 + 3/2, 3
    report = critic_bias(Corridor(), Always(belief=4.0), Always(), [0, 1, 2], spawn(0), per_episode=9)
    states = [at for start in (0, 1, 2) for at in range(start, 3)]
    assert report["states"] == len(states)
    assert report["return"] == pytest.approx(np.mean([expected[at] for at in states]))
    assert report["bias"] == pytest.approx(4.0 - report["return"])
    assert report["bias_low"] < report["bias"] < report["bias_high"]
    assert (report["cut"], report["correlation"]) == (0.0, 0.0)
    with pytest.raises(ConfigError, match="at least one episode"):
        critic_bias(Corridor(), Always(), Always(), [], spawn(0))


def test_comparison_has_error_and_correlation():
    report = compare(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    assert report["bias"] == -2.0
    assert report["error"] == pytest.approx(np.sqrt((1 + 4 + 9) / 3))
    assert report["correlation"] == pytest.approx(1.0)


def test_a_saved_state_of_a_real_env_gives_the_same_return_again_and_again():
    env = build_env(ReachConfig(observation="state", reward="dense"))

    class Expert:
        def initial(self, batch_size):
            return None

        def act(self, obs, carry, prev, mode, rng):
            return Decision(action=make_expert(env, spawn(1)).act()[None], carry=None)

    starts = visit(env, Expert(), [3, 4], 2, mode=Mode.EXPLOIT, rng=spawn(0))
    assert len(starts) == 4
    for start in starts:
        twice = monte_carlo(env, start, [start.action] * 2, Expert(), 0.9, mode=Mode.EXPLOIT, rng=spawn(0))
        assert twice[0] == twice[1]
        assert twice[0].ended
        assert twice[0].discounted > 0.5
    env.close()


def test_evaluate_reports_the_bias_of_a_runs_critics(tmp_path, capsys):
    words = "env=reach env.observation=state demos.count=5 threads=1 max_env_steps=40 agent.bc.updates=50 agent.warmup_steps=10"
    checks = "check_every=40 check_episodes=2 episodes=0 envs=2 videos=0"
    words = [*words.split(), *(f"evaluation.{word}" for word in checks.split())]
    assert main(["train", *words, f"root={tmp_path}", "name=run"]) == 0
    assert main(["evaluate", f"run={tmp_path / 'run'}", "episodes=2", "envs=2", "videos=0", "critic_states=10"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["critic/states"] == 10
    assert summary["critic/bias_low"] <= summary["critic/bias"] <= summary["critic/bias_high"]
