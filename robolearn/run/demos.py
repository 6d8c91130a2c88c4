"""Collecting demonstrations from an expert, through the same env step that everything else uses."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from robolearn.core.errors import DataError
from robolearn.core.rng import spawn, train_seed
from robolearn.core.types import EXECUTED, SUCCESS, Action, Source, Step, last_step

Episode = list[Step]
DEMO_STREAM = 1_000_003
"""Stream number of demonstrations in replay and in seeds, apart from every env row."""
MAX_TRIES = 20
"""Episodes tried per demonstration wanted before an expert is given up."""


class Expert(Protocol):
    """Anything that knows what to do next in the env that it watches: a script, a person."""

    def act(self) -> Action:
        """Return the action (A,) for the current state."""
        ...


def collect_demos(
    env: gym.Env[Any, Any],
    make_expert: Callable[[np.random.Generator], Expert],
    count: int,
    seed: int,
    on_episode: Callable[[bool, int], None] | None = None,
) -> list[Episode]:
    """Record `count` successful episodes; failed ones are thrown away.

    Args:
        env: A single env.
        make_expert: Called after each reset with the expert's own randomness.
        count: Successful episodes wanted.
        seed: Run seed; env seeds are drawn from the training range.
        on_episode: Called with (success, length) after each try.

    Raises:
        DataError: If the expert fails far more often than it succeeds.
    """
    episodes: list[Episode] = []
    for index in range(count * MAX_TRIES):
        if len(episodes) == count:
            break
        episode = record_episode(
            env, make_expert, train_seed(seed, DEMO_STREAM, index), spawn(seed, DEMO_STREAM, index)
        )
        if on_episode is not None:
            on_episode(episode[-1].success, len(episode) - 1)
        if episode[-1].success:
            episodes.append(episode)
    if len(episodes) < count:
        raise DataError(
            "demonstrations", expected=f"{count} successes", got=f"{len(episodes)} in {count * MAX_TRIES} tries"
        )
    return episodes


def record_episode(
    env: gym.Env[Any, Any],
    make_expert: Callable[[np.random.Generator], Expert],
    env_seed: int,
    rng: np.random.Generator,
) -> Episode:
    """Run the expert for one episode and return its T + 1 rows, with the executed actions."""
    obs, _ = env.reset(seed=env_seed)
    expert = make_expert(rng)
    episode: Episode = []
    while True:
        following, reward, terminated, truncated, info = env.step(expert.act())
        step = Step(
            obs=obs,
            action=info[EXECUTED],
            rewards={"task": float(reward)},
            is_first=not episode,
            success=bool(info[SUCCESS]),
            source=Source.DEMO,
        )
        episode.append(step)
        obs = following
        if terminated or truncated:
            return [*episode, last_step(step, obs, terminated)]


def check_demos(episodes: Sequence[Episode], where: str, count: int) -> list[Episode]:
    """Return the first `count` successful episodes.

    Raises:
        DataError: If there are fewer.
    """
    wins = [episode for episode in episodes if episode[-1].success][:count]
    if len(wins) < count:
        raise DataError(
            where,
            expected=f"{count} successful demonstrations",
            got=f"{len(wins)} (of {len(episodes)} episodes)",
            fix="record more, or lower demos.count",
        )
    return wins
