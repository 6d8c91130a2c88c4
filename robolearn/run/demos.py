"""Collecting demonstrations from an expert, through the same env step that everything else uses."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from robolearn.core.errors import DataError
from robolearn.core.rng import spawn, train_seed
from robolearn.core.specs import ActionKind, ActionSpec
from robolearn.core.types import EXECUTED, INTENDED, STATES, SUCCESS, Action, Array, Source, Step, last_step

Episode = list[Step]
Disturbance = Callable[[Action], Action]
"""Turns an intended action (A,) into the one that is sent."""
DEMO_STREAM = 1_000_003
"""Stream number of demonstrations in replay and in seeds, apart from every env row."""
NUDGE_STREAM = 1_000_004
"""Stream number of the nudges that disturb demonstrations."""
MAX_TRIES = 20
"""Episodes tried per demonstration wanted before an expert is given up."""
REACH = {ActionKind.GRIPPER: 0.0, ActionKind.JOINT_DELTA: 0.5}
"""How far a nudge goes, in shares of full scale, by part of an action; 1 unless named here: fingers get none, and joints add up at
the tool."""


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
    nudges: Callable[[np.random.Generator], Disturbance] | None = None,
    on_episode: Callable[[bool, int], None] | None = None,
    state: Callable[[], Array] | None = None,
) -> list[Episode]:
    """Record `count` successful episodes; failed ones are thrown away.

    Args:
        env: A single env.
        make_expert: Called after each reset with the expert's own randomness.
        count: Successful episodes wanted.
        seed: Run seed; env seeds are drawn from the training range.
        nudges: Makes what disturbs the expert's actions in one episode; None for nothing.
        on_episode: Called with (success, length) after each try.
        state: Gives the state of the simulation (D,), to be recorded with each observation.

    Raises:
        DataError: If the expert fails far more often than it succeeds.
    """
    episodes: list[Episode] = []
    for index in range(count * MAX_TRIES):
        if len(episodes) == count:
            break
        env_seed, rng = train_seed(seed, DEMO_STREAM, index), spawn(seed, DEMO_STREAM, index)
        disturb = None if nudges is None else nudges(spawn(seed, NUDGE_STREAM, index))
        episode = record_episode(env, make_expert, env_seed, rng, disturb, state)
        if on_episode is not None:
            on_episode(episode[-1].success, len(episode) - 1)
        if episode[-1].success:
            episodes.append(episode)
    if len(episodes) < count:
        raise DataError(
            "demonstrations", expected=f"{count} successes", got=f"{len(episodes)} in {count * MAX_TRIES} tries"
        )
    return episodes


class Nudges:
    """Pushes an expert off its way now and then: for a few steps, one random motion is added to what it does.

    What it does to get back is what a policy has to know that is off the way itself (DART, arXiv:1703.09327). Noise that is new at every step only
    shakes an arm; to lead it off by several centimetres, it must be so large that nothing delicate succeeds.
    """

    LONGEST = 5
    """Steps; the shortest is 1."""

    def __init__(self, spec: ActionSpec, chance: float, rng: np.random.Generator) -> None:
        """Nudge the motion parts of actions; `chance` is that of a nudge to begin, at each step without one."""
        self._reach = np.concatenate([np.full(part.size, REACH.get(part.kind, 1.0)) for part in spec.parts])
        self._chance, self._rng = chance, rng
        self._push, self._left = np.zeros(spec.size), 0

    def __call__(self, action: Action) -> Action:
        """Return what to send for an intended action (A,)."""
        if self._left == 0 and self._rng.random() < self._chance:
            self._push, self._left = (
                self._rng.uniform(-self._reach, self._reach),
                int(self._rng.integers(self.LONGEST)) + 1,
            )
        if self._left == 0:
            return action
        self._left -= 1
        return np.clip(action + self._push, -1.0, 1.0).astype(np.float32)


def record_episode(
    env: gym.Env[Any, Any],
    make_expert: Callable[[np.random.Generator], Expert],
    env_seed: int,
    rng: np.random.Generator,
    disturb: Disturbance | None = None,
    state: Callable[[], Array] | None = None,
) -> Episode:
    """Run the expert for one episode and return its T + 1 rows, with the executed actions.

    Where `disturb` changes what the expert intends, it sees what that has done and leads back; its intention is kept as
    well, being what there is to clone: demonstrations that show how to recover are worth several that never leave the way
    (DART, arXiv:1703.09327, algorithm 1).
    """
    obs, _ = env.reset(seed=env_seed)
    expert = make_expert(rng)
    episode: Episode = []

    def stated() -> dict[str, Array]:
        return {} if state is None else {STATES: state()}

    while True:
        before = stated()
        intended = expert.act()
        sent = intended if disturb is None else disturb(intended)
        following, reward, terminated, truncated, info = env.step(sent)
        step = Step(
            obs=obs,
            action=info[EXECUTED],
            rewards={"task": float(reward)},
            is_first=not episode,
            success=bool(info[SUCCESS]),
            source=Source.DEMO,
            extra=before if disturb is None else {INTENDED: intended, **before},
        )
        episode.append(step)
        obs = following
        if terminated or truncated:
            last = last_step(step, obs, terminated)
            return [*episode, replace(last, extra={**last.extra, **stated()})]


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


def with_intentions(steps: Sequence[Step]) -> list[Step]:
    """Return steps that all say what was intended: what was executed, where they do not."""
    return [
        step if INTENDED in step.extra else replace(step, extra={**step.extra, INTENDED: step.action}) for step in steps
    ]
