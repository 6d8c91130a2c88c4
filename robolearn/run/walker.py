"""One env and one policy, step by step, for evaluations that go back to saved states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

import gymnasium as gym
import numpy as np

from robolearn.core.protocols import Policy
from robolearn.core.types import EXECUTED, INTERVENED, Action, CarryT, Mode, Obs, Previous


@dataclass(kw_only=True, slots=True, frozen=True)
class Walked:
    """What one step led to."""

    obs: Obs
    reward: float
    ended: bool
    """For good."""
    cut: bool
    """By a limit."""
    info: Mapping[str, Any]

    @property
    def over(self) -> bool:
        """Return whether there is nothing more to come."""
        return self.ended or self.cut


class Walker(Generic[CarryT]):
    """Steps an env from wherever it is; remembers what the policy has to know of the past.

    Args:
        env: A single one.
        policy: What acts.
        mode: Explore or exploit.
        rng: The policy's only source of randomness.
        carry: The policy's memory so far; None at the start of an episode.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        policy: Policy[CarryT],
        mode: Mode,
        rng: np.random.Generator,
        carry: CarryT | None = None,
    ) -> None:
        self._env, self._policy, self._mode, self._rng = env, policy, mode, rng
        self.carry = policy.initial(1) if carry is None else carry
        self._previous: Previous | None = None

    def choose(self, obs: Obs) -> Action:
        """Return an action (A,) of the policy."""
        batch = {key: value[None] for key, value in obs.items()}
        assert self._env.action_space.shape is not None
        previous = self._previous or Previous.start(1, self._env.action_space.shape[0])
        decision = self._policy.act(batch, self.carry, previous, self._mode, self._rng)
        self.carry = decision.carry
        return decision.action[0]

    def step(self, action: Action) -> Walked:
        """Carry out an action (A,)."""
        obs, reward, terminated, truncated, info = self._env.step(action)
        intervened = np.array([info.get(INTERVENED, False)], np.bool_)
        self._previous = Previous(executed=info[EXECUTED][None], intervened=intervened, first=np.zeros(1, np.bool_))
        return Walked(obs=obs, reward=float(reward), ended=bool(terminated), cut=bool(truncated), info=info)
