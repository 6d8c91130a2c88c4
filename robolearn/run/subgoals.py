"""Long tasks, subgoal by subgoal (after RoboCerebra, 2025): a failed one is done for the policy, and not counted as its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np

from robolearn.core.errors import SpecError
from robolearn.core.protocols import Policy
from robolearn.core.types import REWARD_TERMS, SUBGOAL, Mode, Obs
from robolearn.log.stats import wilson
from robolearn.run.demos import Expert
from robolearn.run.walker import Walker


@dataclass(kw_only=True, slots=True, frozen=True)
class Anchor:
    """A state in which a subgoal has just been reached."""

    state: Any
    obs: Obs


@dataclass(kw_only=True, slots=True)
class LongHorizon:
    """What a policy reached of a task with several subgoals."""

    names: tuple[str, ...]
    reached: list[list[bool]] = field(default_factory=list[list[bool]])
    """By episode and subgoal: whether the policy itself got there."""
    skipped: int = 0
    """Episodes that the expert did not solve, of which there are no anchors."""

    def summary(self) -> dict[str, float]:
        """Return the score and what it is made of.

        That is `score` (subgoals that the policy reached itself, of all), `complete` (episodes in which it reached all of them
        alone) with its interval, `<subgoal>` (share of episodes), `episodes` and `skipped`.
        """
        table = np.array(self.reached, np.bool_).reshape(-1, len(self.names))
        whole = int(table.all(axis=1).sum())
        low, high = wilson(whole, len(table))
        shares = {name: float(table[:, index].mean()) for index, name in enumerate(self.names)} if len(table) else {}
        return {
            "score": float(table.mean()) if len(table) else 0.0,
            "complete": whole / max(len(table), 1),
            "complete_low": low,
            "complete_high": high,
            **shares,
            "episodes": float(len(table)),
            "skipped": float(self.skipped),
        }


def evaluate_subgoals(
    env: gym.Env[Any, Any],
    policy: Policy[Any],
    make_expert: Callable[[np.random.Generator], Expert],
    seeds: Sequence[int],
    *,
    steps: int,
    rng: np.random.Generator,
    resume: bool = True,
    on_episode: Callable[[], None] = lambda: None,
) -> LongHorizon:
    """Run the mode of `policy` on every seed, with `steps` for each subgoal.

    The expert goes first and leaves an anchor at each subgoal. Where the policy does not reach one in time, it goes on from the anchor of
    that subgoal (`resume`), or the episode is over; what was done for it does not count.

    Args:
        env: Its reward terms name subgoals, in order, as `subgoal/<name>`; its snapshots must be exact.
        policy: Acts in `Mode.EXPLOIT`; its memory starts afresh at an anchor.
        make_expert: Returns an expert of the episode that `env` has just begun.
        seeds: Env seeds, one episode each.
        steps: Of the policy for each subgoal.
        rng: The only source of randomness.
        resume: Whether to go on after a failed subgoal.
        on_episode: Called at each episode's end.

    Raises:
        SpecError: If the env names no subgoals.
    """
    report: LongHorizon | None = None
    for seed in seeds:
        names, anchors = _anchors(env, make_expert, seed, rng)
        report = LongHorizon(names=names) if report is None else report
        if len(anchors) == len(names):
            report.reached.append(_run(env, policy, anchors, seed, steps, rng, resume=resume))
        else:
            report.skipped += 1
        on_episode()
    return LongHorizon(names=()) if report is None else report


def _anchors(
    env: gym.Env[Any, Any], make_expert: Callable[[np.random.Generator], Expert], seed: int, rng: np.random.Generator
) -> tuple[tuple[str, ...], list[Anchor]]:
    """Return the names of the subgoals, and an anchor for each that the expert reaches."""
    env.reset(seed=seed)
    expert, anchors, over = make_expert(rng), list[Anchor](), False
    names: tuple[str, ...] = ()
    while not over:
        obs, _, ended, cut, info = env.step(expert.act())
        done = _progress(info)
        names, over = tuple(done), ended or cut
        while len(anchors) < sum(done.values()):
            anchors.append(Anchor(state=env.get_wrapper_attr("save")(), obs=obs))
    return names, anchors


def _run(
    env: gym.Env[Any, Any],
    policy: Policy[Any],
    anchors: Sequence[Anchor],
    seed: int,
    steps: int,
    rng: np.random.Generator,
    *,
    resume: bool,
) -> list[bool]:
    """Return which subgoals the policy reached by itself."""
    obs, _ = env.reset(seed=seed)
    walker, done, over = Walker(env, policy, Mode.EXPLOIT, rng), 0, False
    own: list[bool] = []
    for index, anchor in enumerate(anchors):
        left = steps
        while done <= index and left and not over:
            step = walker.step(walker.choose(obs))
            obs, over, left = step.obs, step.over, left - 1
            done = max(done, sum(_progress(step.info).values()))
        own.append(done > index)
        if done > index:
            continue
        if not resume:
            return own + [False] * (len(anchors) - len(own))
        env.get_wrapper_attr("restore")(anchor.state)
        walker, obs, done, over = Walker(env, policy, Mode.EXPLOIT, rng), anchor.obs, index + 1, False
    return own


def _progress(info: Mapping[str, Any]) -> dict[str, bool]:
    """Return which subgoals are reached, each only after those before it."""
    terms = {
        key.removeprefix(SUBGOAL): float(value) > 0.0
        for key, value in info[REWARD_TERMS].items()
        if key.startswith(SUBGOAL)
    }
    if not terms:
        raise SpecError("reward terms", expected=f"'{SUBGOAL}<name>' of a long task", got=sorted(info[REWARD_TERMS]))
    reached = np.logical_and.accumulate(list(terms.values())).tolist()
    return dict(zip(terms, reached, strict=True))
