"""Stepping a vector env with a policy, and turning what happens into rows of replay."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import gymnasium as gym
import numpy as np

from robolearn.core.protocols import Policy
from robolearn.core.rng import rng_state, set_rng_state
from robolearn.core.types import (
    EXECUTED,
    INTERVENED,
    LATE,
    SUCCESS,
    Action,
    Mode,
    Obs,
    Previous,
    Source,
    Step,
    last_step,
)

VectorEnv = gym.vector.SyncVectorEnv | gym.vector.AsyncVectorEnv
"""B envs of ours with `AutoresetMode.DISABLED`, in this process or in workers."""

_COUNTERS = ("over", "episodes", "seeds", "lengths", "totals", "interventions")


@dataclass(kw_only=True, slots=True, frozen=True)
class EpisodeEnd:
    """How an episode of one env row ended."""

    row: int
    episode: int
    seed: int
    success: bool
    length: int
    total: float
    """Sum of the task reward."""
    intervened: int
    """Steps at which something other than the policy acted."""


@dataclass(kw_only=True, slots=True)
class Tick:
    """What one control step of all rows produced."""

    steps: dict[int, list[Step]]
    """New rows of replay by stream: one per env row, two where an episode ended."""
    ended: list[EpisodeEnd]


class Collector(Protocol):
    """Where the steps of a training loop come from: a `Rollout`, or actors elsewhere."""

    size: int
    """Steps that one call is expected to bring."""

    def step(self, policy_version: int = 0) -> Tick:
        """Return what has newly happened; possibly nothing."""
        ...

    def finish(self) -> None:
        """Let those elsewhere know that no more steps are wanted."""
        ...

    def save(self) -> dict[str, object]:
        """Return what `restore` and `restart` need."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `save` left off."""
        ...

    def restart(self, state: Mapping[str, Any]) -> None:
        """Begin new episodes after those that were in flight at `save`."""
        ...


class Rollout:
    """Steps B envs with one policy.

    Args:
        envs: What to step.
        policy: Acts on all rows in one batch.
        mode: Explore or exploit.
        rng: The policy's only source of randomness.
        seed_of: (row, episode) -> env seed of that episode, or None if the row has nothing left to do.
        source: What the rows are marked with in replay.
    """

    def __init__(
        self,
        envs: VectorEnv,
        policy: Policy[Any],
        *,
        mode: Mode,
        rng: np.random.Generator,
        seed_of: Callable[[int, int], int | None],
        source: Source = Source.ONLINE,
    ) -> None:
        self.envs = envs
        self.size = envs.num_envs
        self.active = np.ones(self.size, np.bool_)
        self._policy = policy
        self._mode = mode
        self._rng = rng
        self._seed_of = seed_of
        self._source = source
        self._obs: Obs = {}
        self._carry: object = policy.initial(self.size)
        self._prev = Previous.start(self.size, self._action_size)
        self._over = np.ones(self.size, np.bool_)
        """Rows whose next episode is to be begun."""
        self._episodes = np.full(self.size, -1)
        self._seeds = np.zeros(self.size, np.int64)
        self._lengths = np.zeros(self.size, np.int64)
        self._totals = np.zeros(self.size)
        self._interventions = np.zeros(self.size, np.int64)
        self.late = 0
        """Steps that came after their time, of a robot."""

    @property
    def _action_size(self) -> int:
        return cast("gym.spaces.Box", self.envs.single_action_space).shape[0]

    def step_needed(self) -> bool:
        """Return whether any row still has an episode to run, after starting the next one where there is none, which may take long."""
        if self._over.any():
            self._reset(self._over.copy())
        return bool(self.active.any())

    def step(self, policy_version: int = 0) -> Tick:
        """Start the next episode in rows whose last one has ended, then act once in every active row."""
        self.step_needed()
        decision = self._policy.act(self._obs, self._carry, self._prev, self._mode, self._rng)
        self._carry = decision.carry
        before, first = self._obs, self._prev.first
        obs, rewards, terminated, truncated, info = self.envs.step(decision.action)
        self._obs = cast("Obs", obs)
        executed = cast("Action", np.asarray(info[EXECUTED], np.float32))
        intervened = np.asarray(info.get(INTERVENED, np.zeros(self.size)), np.bool_)
        success = np.asarray(info[SUCCESS], np.bool_)
        self.late += int((np.asarray(info.get(LATE, 0.0)) > 0.0).sum())
        done = np.logical_or(terminated, truncated)
        self._lengths += 1
        self._totals += np.asarray(rewards)
        self._interventions += intervened
        tick = Tick(steps={}, ended=[])
        for row in np.flatnonzero(self.active).tolist():
            step = Step(
                obs=_row(before, row),
                action=executed[row].copy(),
                rewards={"task": float(rewards[row])},
                is_first=bool(first[row]),
                intervened=bool(intervened[row]),
                success=bool(success[row]),
                source=Source.INTERVENTION if intervened[row] else self._source,
                policy_version=policy_version,
                extra={name: value[row] for name, value in decision.extras.items()},
            )
            tick.steps[row] = [step]
            if done[row]:
                tick.steps[row].append(last_step(step, _row(self._obs, row), bool(terminated[row])))
                tick.ended.append(self._end(row, step.success))
        self._prev = Previous(executed=executed, intervened=intervened, first=np.zeros(self.size, np.bool_))
        self._over = done
        return tick

    def finish(self) -> None:
        """Do nothing: nobody is elsewhere."""

    def _end(self, row: int, success: bool) -> EpisodeEnd:
        return EpisodeEnd(
            row=row,
            episode=int(self._episodes[row]),
            seed=int(self._seeds[row]),
            success=success,
            length=int(self._lengths[row]),
            total=float(self._totals[row]),
            intervened=int(self._interventions[row]),
        )

    def _reset(self, mask: np.ndarray) -> None:
        """Start the next episode in the rows of `mask`; a row without a further seed becomes inactive but runs on."""
        seeds: list[int | None] = [None] * self.size
        for row in np.flatnonzero(mask).tolist():
            self._episodes[row] += 1
            seed = self._seed_of(row, int(self._episodes[row]))
            self.active[row] &= seed is not None
            seeds[row] = seed
            self._seeds[row] = -1 if seed is None else seed
        obs, _ = self.envs.reset(seed=seeds, options={"reset_mask": mask})
        self._obs = _merged(self._obs, cast("Obs", obs), mask)
        self._over[mask] = False
        self._prev.first[mask] = True
        self._prev.executed[mask] = 0.0
        self._prev.intervened[mask] = False
        self._lengths[mask] = 0
        self._totals[mask] = 0.0
        self._interventions[mask] = 0

    def save(self) -> dict[str, object]:
        """Return the state of envs, episodes and randomness, so that `restore` goes on identically.

        Only policies whose carry is empty or plain arrays can be saved.
        """
        state = {
            "envs": [dict(state) for state in self.envs.call("save")] if self._obs else [],
            "obs": self._obs,
            "carry": self._carry,
            "previous": {name: getattr(self._prev, name) for name in ("executed", "intervened", "first")},
            "counters": {name: getattr(self, f"_{name}") for name in _COUNTERS},
            "rng": rng_state(self._rng),
        }
        return copy.deepcopy(state)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `save` left off."""
        set_rng_state(self._rng, state["rng"])
        for name in _COUNTERS:
            getattr(self, f"_{name}")[:] = state["counters"][name]
        if not state["envs"]:
            return
        self.envs.reset(seed=0)
        self.envs.set_attr("snapshot", list(state["envs"]))
        self._obs = dict(state["obs"])
        self._carry = state["carry"]
        self._prev = Previous(**{name: value.copy() for name, value in state["previous"].items()})

    def restart(self, state: Mapping[str, Any]) -> None:
        """Begin new episodes after those that were in flight at `save` (resume `keep`)."""
        self._episodes[:] = state["counters"]["episodes"]
        set_rng_state(self._rng, state["rng"])


def _merged(old: Obs, new: Obs, mask: np.ndarray) -> Obs:
    """Return observations of which the rows of `mask` are new; of others, vector envs know nothing after `restore`."""
    if not old:
        return new
    return {key: np.where(mask.reshape(-1, *[1] * (value.ndim - 1)), value, old[key]) for key, value in new.items()}


def _row(obs: Obs, row: int) -> Obs:
    return {key: value[row].copy() for key, value in obs.items()}
