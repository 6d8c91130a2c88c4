"""Monte-Carlo evaluation (Sadeghi and Levine, arXiv:1611.04201): what really follows an action in a saved state, against a critic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError
from robolearn.core.protocols import ActionValues, Policy
from robolearn.core.types import Action, Mode, Obs
from robolearn.run.walker import Walker

SavedState = Any
"""What `save` of an env returns."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Visit:
    """A state in which a policy was, before it acted."""

    state: SavedState
    obs: Obs
    action: Action
    """(A,): what it chose there."""
    carry: Any
    """Its memory after that choice."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Return:
    """What followed an action in a saved state."""

    discounted: float
    """Sum of rewards, each discounted by its distance in steps."""
    ended: bool
    """Whether the episode ended for good; otherwise a limit cut it, and the sum is all that came before."""


def visit(
    env: gym.Env[Any, Any],
    policy: Policy[Any],
    seeds: Sequence[int],
    per_episode: int,
    *,
    mode: Mode,
    rng: np.random.Generator,
) -> list[Visit]:
    """Run an episode on each seed and return up to `per_episode` of its states each, drawn without replacement."""
    visits: list[Visit] = []
    for seed in seeds:
        obs, _ = env.reset(seed=seed)
        walker, path = Walker(env, policy, mode, rng), list[Visit]()
        over = False
        while not over:
            state = env.get_wrapper_attr("save")()
            action = walker.choose(obs)
            path.append(Visit(state=state, obs=obs, action=action, carry=walker.carry))
            step = walker.step(action)
            obs, over = step.obs, step.over
        chosen = rng.choice(len(path), size=min(per_episode, len(path)), replace=False)
        visits.extend(path[index] for index in sorted(chosen.tolist()))
    return visits


def monte_carlo(
    env: gym.Env[Any, Any],
    start: Visit,
    actions: Sequence[Action],
    policy: Policy[Any],
    discount: float,
    *,
    mode: Mode,
    rng: np.random.Generator,
    horizon: int | None = None,
) -> list[Return]:
    """Return what follows each of `actions` (K of shape (A,)) in one state, with `policy` acting from then on.

    Args:
        env: Goes to the state again and again; its snapshots must be exact.
        start: The state.
        actions: What to try there.
        policy: Acts after that; its memory of the state is that of the visit.
        discount: Per step.
        mode: `EXPLORE` for the value that SAC's critics learn.
        rng: The policy's only source of randomness.
        horizon: Steps after which to stop; None for the end of the episode.
    """
    returns: list[Return] = []
    for action in actions:
        env.get_wrapper_attr("restore")(start.state)
        walker = Walker(env, policy, mode, rng, start.carry)
        total, weight, steps, chosen = 0.0, 1.0, 0, action
        while True:
            step = walker.step(chosen)
            total, weight, steps = total + weight * step.reward, weight * discount, steps + 1
            if step.over or steps == horizon:
                break
            chosen = walker.choose(step.obs)
        returns.append(Return(discounted=total, ended=step.ended))
    return returns


def critic_bias(
    env: gym.Env[Any, Any],
    critic: ActionValues,
    policy: Policy[Any],
    seeds: Sequence[int],
    rng: np.random.Generator,
    *,
    per_episode: int = 5,
    on_state: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Compare what a critic says of the policy's own actions with what follows them.

    Returns:
        `states` (n), `value` and `return` (means), `bias` (value - return) with its 95 % interval `bias_low` and `bias_high`,
        `error` (root mean square), `correlation` (0 where either is constant), and `cut`, the share of returns that a limit
        cut: what would have come after counts as nothing there.

    Raises:
        ConfigError: If there is no seed.
    """
    if not seeds:
        raise ConfigError("seeds", expected="at least one episode", got="none")
    visits = visit(env, policy, seeds, per_episode, mode=Mode.EXPLORE, rng=rng)
    followed: list[Return] = []
    for state in visits:
        followed += monte_carlo(env, state, [state.action], policy, critic.discount, mode=Mode.EXPLORE, rng=rng)
        on_state()
    obs = {key: np.stack([state.obs[key] for state in visits]) for key in visits[0].obs}
    values = critic.action_values(obs, np.stack([state.action for state in visits]))
    return compare(values, np.array([item.discounted for item in followed])) | {
        "cut": float(np.mean([not item.ended for item in followed]))
    }


def compare(values: NDArray[np.floating[Any]], returns: NDArray[np.floating[Any]]) -> dict[str, float]:
    """Return how values (n,) differ from returns (n,): all of `critic_bias` but `cut`."""
    differences = np.asarray(values, np.float64) - returns
    half = 1.96 * float(np.std(differences)) / np.sqrt(len(differences))
    constant = np.std(values) == 0.0 or np.std(returns) == 0.0
    bias = float(np.mean(differences))
    return {
        "states": float(len(differences)),
        "value": float(np.mean(values)),
        "return": float(np.mean(returns)),
        "bias": bias,
        "bias_low": bias - half,
        "bias_high": bias + half,
        "error": float(np.sqrt(np.mean(differences**2))),
        "correlation": 0.0 if constant else float(np.corrcoef(values, returns)[0, 1]),
    }
