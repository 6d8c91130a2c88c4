"""What a policy is told of the past, step by step."""

import gymnasium as gym
from toy import CountEnv, NoisePolicy

from robolearn.core.rng import spawn
from robolearn.core.types import INTERVENED, Mode
from robolearn.run.deploy import deploy
from robolearn.run.walker import Walker


class Silent(gym.Wrapper):
    """Does not say who has acted."""

    def step(self, action):
        *rest, info = self.env.step(action)
        return *rest, {key: value for key, value in info.items() if key != INTERVENED}


def test_a_deployed_policy_is_told_when_a_person_has_acted():
    policy = NoisePolicy()
    assert deploy(policy, CountEnv(), [1])["intervened"] == 1
    assert [bool(intervened[0]) for _, _, intervened in policy.seen] == [False, False, True, *[False] * 4]
    assert [bool(first[0]) for first, _, _ in policy.seen] == [True, *[False] * 6]


def test_where_nobody_says_who_has_acted_it_was_the_policy():
    policy, env = NoisePolicy(), Silent(CountEnv())
    obs, _ = env.reset(seed=1)
    walker = Walker(env, policy, Mode.EXPLORE, spawn(0))
    for _ in range(4):
        obs = walker.step(walker.choose(obs)).obs
    assert [bool(intervened[0]) for _, _, intervened in policy.seen] == [False] * 4
