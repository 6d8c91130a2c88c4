"""The actor's loop: acts with the newest policy and hands its steps on; the learner is elsewhere, and may come and go."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.protocols import Agent
from robolearn.run.link import LearnerLink
from robolearn.run.rollout import EpisodeEnd, Rollout

SWAPS = ("step", "episode")
PAUSE_S = 0.02
"""Between two looks at a learner that is waited for."""


@dataclass(kw_only=True, slots=True)
class PaceConfig:
    """How an actor and its learner keep together."""

    swap: str = "step"
    """When newer weights are taken over: at any `step`, or between two `episode`s."""
    ahead: int = 2_000
    """At the end of an episode, an actor waits while the learner lacks more of its steps than this."""
    ahead_steps: int = 0
    """As `ahead`, but within an episode, and so only for simulations, which stand still meanwhile; 0 for never."""

    def __post_init__(self) -> None:
        if self.swap not in SWAPS:
            raise ConfigError("pace.swap", expected=f"one of {SWAPS}", got=self.swap, fix=nearest(self.swap, SWAPS))
        if min(self.ahead, self.ahead_steps) < 0:
            raise ConfigError("pace", expected="counts of 0 or more", got=self)


def act(
    rollout: Rollout,
    agent: Agent[Any],
    link: LearnerLink,
    cfg: PaceConfig,
    stop: Callable[[], bool],
    on_episode: Callable[[EpisodeEnd], None] = lambda _: None,
) -> int:
    """Act until `stop`, or until the learner has finished and the episode has ended; return the number of episodes.

    Args:
        rollout: Steps the envs with `agent`.
        agent: Gets the learner's weights.
        link: To the learner.
        cfg: When to take weights over, and when to wait.
        stop: Looked at after every step and every reset.
        on_episode: Called at each episode's end.
    """
    version = -1

    def newer() -> bool:
        nonlocal version
        newest = link.latest()
        if newest is not None:
            version = newest[0]
            agent.load_policy_state(newest[1])
        return version >= 0

    episodes, between = 0, True

    def going_on() -> bool:
        link.pump()
        return not stop() and not (between and link.over)

    _wait(link, lambda: newer() or link.over, stop)
    while going_on() and rollout.step_needed() and going_on():  # a reset may take long
        if between or cfg.swap == "step":
            newer()
        tick = rollout.step(policy_version=max(version, 0))
        for steps in tick.steps.values():
            link.put(steps)
        for end in tick.ended:
            on_episode(end)
        episodes, between = episodes + len(tick.ended), bool(tick.ended)
        limit = cfg.ahead if between else cfg.ahead_steps or None
        if limit is not None:
            _wait(link, lambda most=limit: link.unsafe <= most or link.over, stop)
    return episodes


def _wait(link: LearnerLink, ready: Callable[[], bool], stop: Callable[[], bool]) -> None:
    """Keep in touch until it is time to go on."""
    link.pump()
    while not ready() and not stop():
        time.sleep(PAUSE_S)
        link.pump()
