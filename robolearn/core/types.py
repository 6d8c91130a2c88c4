"""The plain data that flows through a run: observations, actions, steps, and what a policy sees and says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Obs = dict[str, Array]
"""Flat: `pixels/<camera>` uint8 (H, W, 3) RGB, `proprio/<arm>.<name>` float32, `state/<name>` float32 (privileged)."""
Action = NDArray[np.float32]
Batch = dict[str, Array]
"""A sampled batch; the keys of each view are documented in `robolearn.replay`."""

PIXELS = "pixels/"
PROPRIO = "proprio/"
STATE = "state/"

# Keys of `info` that every env of ours fills.
EXECUTED = "executed_action"
CLIPPED = "executed_clipped"
INTERVENED = "intervened"
SUCCESS = "success"
LATE = "late_s"
"""By how much a step came after its time, s; 0 in simulation."""
REWARD_TERMS = "reward_terms"
SUBGOAL = "subgoal/"
"""Prefix of the reward terms of a long task that say, by 0 or 1 and in order, which of its subgoals are reached."""

INTENDED = "intended"
"""Of `Step.extra`: the action (A,) that was wanted before something disturbed it, which is what to clone; elsewhere `action`."""

STATES = "states"
"""Of `Step.extra`: the state (D,) of the simulation that was observed, from which pictures can be drawn again."""

CarryT = TypeVar("CarryT")


class Mode(StrEnum):
    """How a policy chooses: `EXPLORE` samples, `EXPLOIT` takes the mode of the distribution."""

    EXPLORE = "explore"
    EXPLOIT = "exploit"


class Source(StrEnum):
    """Who produced a step; replay mixes batches by it."""

    ONLINE = "online"
    DEMO = "demo"
    INTERVENTION = "intervention"


@dataclass(kw_only=True, slots=True)
class Step:
    """One row of replay: an observation, the action executed at it, and the reward that followed.

    An episode of T actions is T + 1 rows. The last row (`is_last`) holds only the observation that the last action led
    to; its `action` is zeros, its rewards are 0, and it alone may be `is_terminal` (no value beyond it) or
    `is_truncated` (cut by a limit: bootstrap from its observation).
    """

    obs: Obs
    action: Action
    """Executed action (A,), float32 in [-1, 1], in the policy's own coordinates."""
    rewards: Mapping[str, float]
    """Named rewards; `task` is the env's own."""
    is_first: bool
    is_last: bool = False
    is_terminal: bool = False
    is_truncated: bool = False
    intervened: bool = False
    success: bool = False
    """Whether the task was solved after this action."""
    source: Source = Source.ONLINE
    policy_version: int = 0
    stamp_ns: int = 0
    extra: Mapping[str, Array] = field(default_factory=dict[str, Array])
    """Further columns, stored as `extra/<name>` (`INTENDED`, base_action, log_prob, ...)."""


def last_step(before: Step, obs: Obs, terminated: bool) -> Step:
    """Return the row that closes an episode: the observation `obs` that the action of `before` led to."""
    return Step(
        obs=obs,
        action=np.zeros_like(before.action),
        rewards=dict.fromkeys(before.rewards, 0.0),
        is_first=False,
        is_last=True,
        is_terminal=terminated,
        is_truncated=not terminated,
        success=before.success,
        source=before.source,
        policy_version=before.policy_version,
        extra={name: np.zeros_like(value) for name, value in before.extra.items()},
    )


@dataclass(kw_only=True, slots=True)
class Previous:
    """What happened since the policy last acted, one row per env."""

    executed: Action
    """(B, A) float32: the action that really reached each robot; zeros where `first`."""
    intervened: NDArray[np.bool_]
    """(B,): a human or the supervisor replaced the policy's action at the last step."""
    first: NDArray[np.bool_]
    """(B,): a new episode starts here; the carry of this row restarts."""

    @classmethod
    def start(cls, batch_size: int, action_size: int) -> "Previous":
        """Return the value for the first step of `batch_size` fresh episodes."""
        return cls(
            executed=np.zeros((batch_size, action_size), np.float32),
            intervened=np.zeros(batch_size, np.bool_),
            first=np.ones(batch_size, np.bool_),
        )


@dataclass(kw_only=True, slots=True)
class Decision(Generic[CarryT]):
    """What a policy chose for one control step of B envs."""

    action: Action
    """(B, A) float32 in [-1, 1]."""
    carry: CarryT
    extras: Mapping[str, Array] = field(default_factory=dict[str, Array])
    """(B, ...) columns for replay, stored as `extra/<name>`."""
