"""Greedy evaluation: a policy on given seeds, each episode exactly once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robolearn.core.protocols import Policy
from robolearn.core.rng import spawn
from robolearn.core.types import SUCCESS, Mode
from robolearn.log.stats import wilson
from robolearn.run.rollout import EpisodeEnd, Rollout, VectorEnv
from robolearn.run.walker import Walker


@dataclass(kw_only=True, slots=True, frozen=True)
class Film:
    """The rendered frames (H, W, 3) of one episode."""

    seed: int
    success: bool
    frames: list[NDArray[np.uint8]]


@dataclass(kw_only=True, slots=True, frozen=True)
class Evaluation:
    """Success of a policy with its 95 % Wilson interval."""

    ends: tuple[EpisodeEnd, ...]
    """One per episode, by seed."""

    @property
    def episodes(self) -> int:
        """Return n."""
        return len(self.ends)

    @property
    def success(self) -> float:
        """Return the share of successful episodes."""
        return sum(end.success for end in self.ends) / max(self.episodes, 1)

    def summary(self) -> dict[str, float]:
        """Return success, wilson_low, wilson_high, episodes, return (the mean), and steps_to_success (their mean) if there were any."""
        wins = [end.length for end in self.ends if end.success]
        low, high = wilson(len(wins), self.episodes)
        summary = {"success": self.success, "wilson_low": low, "wilson_high": high, "episodes": self.episodes}
        if self.ends:
            summary["return"] = float(np.mean([end.total for end in self.ends]))
        if wins:
            summary["steps_to_success"] = float(np.mean(wins))
        return summary


def evaluate(
    policy: Policy[Any],
    envs: VectorEnv,
    seeds: Sequence[int],
    on_episode: Callable[[EpisodeEnd], None] | None = None,
) -> Evaluation:
    """Run the mode of `policy` on every seed once.

    Args:
        policy: What to evaluate; acts in `Mode.EXPLOIT`.
        envs: Seeds are dealt to its rows in turn.
        seeds: Env seeds, one episode each.
        on_episode: Called at each episode's end, for progress bars.
    """
    deal = [seeds[row :: envs.num_envs] for row in range(envs.num_envs)]

    def seed_of(row: int, episode: int) -> int | None:
        return deal[row][episode] if episode < len(deal[row]) else None

    rollout = Rollout(envs, policy, mode=Mode.EXPLOIT, rng=spawn(0), seed_of=seed_of)
    ends: list[EpisodeEnd] = []
    while rollout.step_needed():
        for end in rollout.step().ended:
            ends.append(end)
            if on_episode is not None:
                on_episode(end)
    order = {seed: index for index, seed in enumerate(seeds)}
    return Evaluation(ends=tuple(sorted(ends, key=lambda end: order[end.seed])))


def film(policy: Policy[Any], env: gym.Env[Any, Any], seed: int) -> Film:
    """Run one greedy episode and return its rendered frames, the last one included.

    Args:
        policy: Acts in `Mode.EXPLOIT`.
        env: A single env with `render_mode="rgb_array"`.
        seed: Env seed of the episode.
    """
    obs, _ = env.reset(seed=seed)
    walker = Walker(env, policy, Mode.EXPLOIT, spawn(0))
    frames = [cast("NDArray[np.uint8]", env.render())]
    while True:
        step = walker.step(walker.choose(obs))
        obs = step.obs
        frames.append(cast("NDArray[np.uint8]", env.render()))
        if step.over:
            return Film(seed=seed, success=bool(step.info[SUCCESS]), frames=frames)
