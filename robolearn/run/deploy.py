"""Deployment: a policy at a fixed rate on a robot, with every step and every delay accounted for."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from robolearn.core.errors import DriverError
from robolearn.core.protocols import Policy
from robolearn.core.rng import spawn
from robolearn.core.types import EXECUTED, INTERVENED, LATE, SUCCESS, Mode, Obs, Source, Step, last_step
from robolearn.run.evaluate import Evaluation
from robolearn.run.rollout import EpisodeEnd
from robolearn.run.walker import Walker

AGES = "age/"
Rows = list[Step]
"""An episode, as it is written to files."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Timing:
    """How long things took, s, step by step."""

    thoughts: list[float] = field(default_factory=list[float])
    late: list[float] = field(default_factory=list[float])
    ages: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def summary(self) -> dict[str, float]:
        """Return the figures that `deploy` does."""
        thoughts = np.percentile(self.thoughts, [50, 95]) * 1e3
        return {
            "steps": float(len(self.late)),
            "late": float(sum(value > 0.0 for value in self.late)),
            "late_max_ms": 1e3 * max(self.late),
            "act_p50_ms": float(thoughts[0]),
            "act_p95_ms": float(thoughts[1]),
            **{f"{key}_p95_ms": 1e3 * float(np.percentile(values, 95)) for key, values in self.ages.items()},
        }


def deploy(
    policy: Policy[Any],
    env: gym.Env[Any, Any],
    seeds: Sequence[int],
    on_episode: Callable[[EpisodeEnd, Rows], None] | None = None,
    minutes: float = 0.0,
) -> dict[str, float]:
    """Run the mode of `policy` for an episode on each seed.

    Args:
        policy: Acts in `Mode.EXPLOIT`.
        env: Paced by its own clock.
        seeds: Of the episodes.
        on_episode: Called at each episode's end, with its T + 1 rows.
        minutes: The episode that is under way then is the last one; 0 for no limit.

    Returns:
        What `Evaluation.summary` does; `steps`, `late` (steps that came after their time), `late_max_ms`; `act_p50_ms`,
        `act_p95_ms` (the policy alone); for every arm and camera the age of what was observed, `age/<source>_p95_ms`;
        `faults`, the number of episodes that a fault ended, and `intervened`, that of steps in which a person had
        taken over; `refused`, 1 if a reset was, and the episodes after it were not run. Faults are logged by name.

    Raises:
        DriverError: If the first reset is refused.
    """
    ends: list[EpisodeEnd] = []
    timing, faults, refused, begun = Timing(), 0, 0, time.monotonic()
    for index, seed in enumerate(seeds):
        try:
            obs, _ = env.reset(seed=seed)
        except DriverError as error:
            if not ends:
                raise
            _log.error("episode %d and those after it were not run: %s", index, error)
            refused = 1
            break
        rows, found = _episode(policy, env, obs, timing)
        if found:
            _log.warning("episode %d ended by a fault: %s", index, ", ".join(found))
            faults += 1
        total = sum(row.rewards["task"] for row in rows[:-1])
        end = EpisodeEnd(
            row=0,
            episode=index,
            seed=seed,
            success=rows[-1].success,
            length=len(rows) - 1,
            total=total,
            intervened=sum(row.intervened for row in rows),
        )
        ends.append(end)
        if on_episode is not None:
            on_episode(end, rows)
        if minutes and time.monotonic() - begun > 60.0 * minutes:
            break
    counts = {"faults": faults, "intervened": sum(end.intervened for end in ends), "refused": refused}
    return {
        **Evaluation(ends=tuple(ends)).summary(),
        **timing.summary(),
        **{name: float(count) for name, count in counts.items()},
    }


def _episode(policy: Policy[Any], env: gym.Env[Any, Any], obs: Obs, timing: Timing) -> tuple[Rows, tuple[str, ...]]:
    """Return the rows of the episode that begins with `obs`, and the faults that ended it."""
    walker = Walker(env, policy, Mode.EXPLOIT, spawn(0))
    rows: Rows = []
    while True:
        start = time.perf_counter()
        action = walker.choose(obs)
        timing.thoughts.append(time.perf_counter() - start)
        step = walker.step(action)
        timing.late.append(float(step.info.get(LATE, 0.0)))
        for key, value in step.info.items():
            if key.startswith(AGES):
                timing.ages.setdefault(key.removesuffix("_s"), []).append(float(value))
        intervened = bool(step.info[INTERVENED])
        row = Step(
            obs=obs,
            action=step.info[EXECUTED],
            rewards={"task": step.reward},
            is_first=not rows,
            success=bool(step.info[SUCCESS]),
            intervened=intervened,
            source=Source.INTERVENTION if intervened else Source.ONLINE,
        )
        rows.append(row)
        obs = step.obs
        if step.over:
            return [*rows, last_step(row, obs, terminated=step.ended)], tuple(step.info.get("faults", ()))
