"""Deployment: a policy at a fixed rate on a robot, with every step and every delay accounted for."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from robolearn.core.protocols import Policy
from robolearn.core.rng import spawn
from robolearn.core.types import SUCCESS, Mode
from robolearn.run.evaluate import Evaluation
from robolearn.run.rollout import EpisodeEnd
from robolearn.run.walker import Walker

AGES = "age/"


def deploy(
    policy: Policy[Any],
    env: gym.Env[Any, Any],
    seeds: Sequence[int],
    on_episode: Callable[[EpisodeEnd], None] | None = None,
) -> dict[str, float]:
    """Run the mode of `policy` for an episode on each seed.

    Args:
        policy: Acts in `Mode.EXPLOIT`.
        env: Paced by its own clock.
        seeds: Of the episodes.
        on_episode: Called at each episode's end.

    Returns:
        What `Evaluation.summary` does; `steps`, `late` (steps that came after their time), `late_max_ms`; `act_p50_ms`,
        `act_p95_ms` (the policy alone); for every arm and camera the age of what was observed, `age/<source>_p95_ms`; and
        `faults`, the number of episodes that a fault ended.
    """
    ends: list[EpisodeEnd] = []
    thoughts_s, late_s, faults = list[float](), list[float](), 0
    ages: dict[str, list[float]] = {}
    for index, seed in enumerate(seeds):
        obs, _ = env.reset(seed=seed)
        walker, total, length = Walker(env, policy, Mode.EXPLOIT, spawn(0)), 0.0, 0
        while True:
            start = time.perf_counter()
            action = walker.choose(obs)
            thoughts_s.append(time.perf_counter() - start)
            step = walker.step(action)
            obs, total, length = step.obs, total + step.reward, length + 1
            late_s.append(float(step.info.get("late_s", 0.0)))
            for key, value in step.info.items():
                if key.startswith(AGES):
                    ages.setdefault(key.removesuffix("_s"), []).append(float(value))
            if step.over:
                break
        faults += bool(step.info.get("faults"))
        success = bool(step.info[SUCCESS])
        ends.append(
            EpisodeEnd(row=0, episode=index, seed=seed, success=success, length=length, total=total, intervened=0)
        )
        if on_episode is not None:
            on_episode(ends[-1])
    return {
        **Evaluation(ends=tuple(ends)).summary(),
        "steps": float(len(late_s)),
        "late": float(sum(value > 0.0 for value in late_s)),
        "late_max_ms": 1e3 * max(late_s, default=0.0),
        "act_p50_ms": 1e3 * float(np.percentile(thoughts_s, 50)),
        "act_p95_ms": 1e3 * float(np.percentile(thoughts_s, 95)),
        **{f"{key}_p95_ms": 1e3 * float(np.percentile(values, 95)) for key, values in ages.items()},
        "faults": float(faults),
    }
