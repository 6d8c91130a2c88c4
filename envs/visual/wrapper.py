"""What wrappers that change how an env looks have in common: their own randomness, drawn per episode, saved with the env."""

import abc
import zlib
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from typing_extensions import override

from robolearn.core.types import Action, Array, Obs
from robolearn.envs.snapshot import Arrays, load_rng, save_rng
from robolearn.envs.wrappers.observation import ObsTransform, StepResult

VISUAL = "visual"
"""Key of `info` under which each wrapper reports what it has drawn, by its name."""


class VisualWrapper(ObsTransform):
    """Changes what is seen, never what happens; a seed of `reset` decides all of it.

    A wrapper is saved as the state in which its generator was when the present looks were drawn, and draws them again.
    """

    def __init__(self, env: gym.Env[Obs, Action]) -> None:
        super().__init__(env)
        self._rng = np.random.default_rng()
        self._before = save_rng(self._rng)
        self._steps = 0
        """Since reset."""
        self.drawn: dict[str, Any] = {}
        """What is reported in `info`."""

    @abc.abstractmethod
    def draw(self, rng: np.random.Generator, first: bool) -> dict[str, Any] | None:
        """Draw other looks for an episode (`first`) or a step, and return what to report; None, without a draw, to leave all as it is."""

    def refresh(self, obs: Obs) -> Obs:
        """Return what is seen with new looks at the moment at which `obs` was seen with the old ones."""
        return obs

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        if seed is not None:
            self._rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        obs, info = self.env.reset(seed=seed, options=options)
        self._steps = 0
        self._draw(first=True)
        obs = self.refresh(obs)
        self.begin(obs)
        return self.observation(obs), self._report(info)

    @override
    def step(self, action: Action) -> StepResult:
        self._steps += 1
        self._draw(first=False)
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self.observation(obs), float(reward), terminated, truncated, self._report(info)

    @override
    def memory(self) -> Arrays:
        generators = {"before": self._before, "now": save_rng(self._rng)}
        words = {f"{when}/{key}": value for when, saved in generators.items() for key, value in saved.items()}
        return {"steps": np.array(self._steps), **words}

    @override
    def recall(self, memory: Mapping[str, Array]) -> None:
        self._steps = int(memory["steps"])
        load_rng(self._rng, _part(memory, "before/"))
        self._draw(first=True)
        load_rng(self._rng, _part(memory, "now/"))

    def _draw(self, first: bool) -> None:
        before = save_rng(self._rng)
        drawn = self.draw(self._rng, first)
        if drawn is not None:
            self._before, self.drawn = before, drawn

    def _report(self, info: dict[str, Any]) -> dict[str, Any]:
        return info | {VISUAL: info.get(VISUAL, {}) | {self.name: self.drawn}}


def _part(memory: Mapping[str, Array], prefix: str) -> Arrays:
    return {key.removeprefix(prefix): value for key, value in memory.items() if key.startswith(prefix)}
