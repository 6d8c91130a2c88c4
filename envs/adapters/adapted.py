"""The one env class of simulations that are not ours: it keeps our contract, whatever theirs is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast, runtime_checkable

import gymnasium as gym
import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import ConfigError, SpecError
from robolearn.core.geometry import Vector
from robolearn.core.protocols import Outcome
from robolearn.core.specs import EnvSpec
from robolearn.core.types import CLIPPED, EXECUTED, INTERVENED, REWARD_TERMS, SUCCESS, Action, Obs
from robolearn.envs.sim.stage import Stage
from robolearn.envs.snapshot import Saved, Snapshotted, load_rng, save_rng
from robolearn.envs.tasks.expert import Expert

Info = dict[str, Any]
_SEEDS = 2**31 - 1


class Simulation(Protocol):
    """What `AdaptedEnv` asks of a simulation that is not ours; equal seeds and actions must give equal episodes."""

    @property
    def stage(self) -> Stage | None:
        """Return how it looks; None where pictures are not ours to draw."""
        ...

    @property
    def env_spec(self) -> EnvSpec:
        """Return what is observed and what actions mean; `max_steps` is the simulation's own limit."""
        ...

    def reset(self, seed: int) -> None:
        """Begin an episode."""
        ...

    def step(self, action: Action) -> Outcome:
        """Carry out an action (A,) in [-1, 1] for one control period."""
        ...

    def observe(self) -> Obs:
        """Return what is seen now; the caller owns the arrays."""
        ...

    def picture(self) -> NDArray[np.uint8]:
        """Return an image (H, W, 3) for people."""
        ...

    def expert(self, rng: np.random.Generator) -> Expert:
        """Return the scripted expert of the present episode.

        Raises:
            ConfigError: If there is none.
        """
        ...

    def close(self) -> None:
        """Release everything; may be called twice."""
        ...


@runtime_checkable
class Recalling(Protocol):
    """A simulation that can show a recorded state."""

    def recall(self, state: Vector, model: str | None) -> bool:
        """Show a state (D,), of a model in MJCF where an episode has its own, and return whether it is a success.

        Raises:
            SpecError: If the state is of another model.
        """
        ...


class AdaptedEnv(Snapshotted, gym.Env[Obs, Action]):
    """Gymnasium env over a simulation that is not ours.

    Actions are clipped to [-1, 1], and what is executed is the clipped action: nothing supervises it. An episode ends for good
    only where the simulation says so, or at success; all time limits truncate. A snapshot is the seed and the actions of
    the episode: putting it back plays them again, unseen, since such simulations keep state that nothing can reach.

    Args:
        simulation: What to step; owned by the env from now on.
        max_steps: Steps after which an episode is truncated, unless the simulation does so before.
        repeat: How often each action is carried out; rewards are added up.
        render_mode: `rgb_array` makes `render` return a picture.

    Raises:
        ConfigError: If a limit is below 1.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  gymnasium declares it so

    def __init__(
        self, simulation: Simulation, *, max_steps: int, repeat: int = 1, render_mode: str | None = None
    ) -> None:
        if min(max_steps, repeat) < 1:
            raise ConfigError("max_steps and repeat", expected="1 or more", got=(max_steps, repeat))
        self.simulation = simulation
        self._repeat = repeat
        own = simulation.env_spec
        self.env_spec = msgspec.structs.replace(
            own, rate_hz=own.rate_hz / repeat, max_steps=min(max_steps, -(-own.max_steps // repeat))
        )
        self.action_space = cast("gym.Space[Action]", own.action.space())
        self.observation_space = cast(
            "gym.Space[Obs]", gym.spaces.Dict({key: spec.space() for key, spec in own.obs.items()})
        )
        self.metadata = {**self.metadata, "render_fps": max(round(self.env_spec.rate_hz), 1)}
        self.render_mode = render_mode
        self._seed: int | None = None
        self._actions: list[Action] = []

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, Info]:
        """Begin an episode; equal seeds give equal episodes."""
        super().reset(seed=seed)
        self._seed = int(self.np_random.integers(_SEEDS)) if seed is None else seed
        self._actions.clear()
        self.simulation.reset(self._seed)
        return self.simulation.observe(), {SUCCESS: False, INTERVENED: False}

    @override
    def step(self, action: Action) -> tuple[Obs, float, bool, bool, Info]:
        """Carry out an action (A,), `repeat` times.

        Raises:
            SpecError: If the action has another shape, a value is not finite, or there was no reset.
        """
        action = np.asarray(action)
        self.env_spec.action.validate(action)
        executed = np.clip(action, -1.0, 1.0).astype(np.float32)
        outcome = self._carry_out(executed)
        truncated = outcome.truncated or len(self._actions) >= self.env_spec.max_steps
        info: Info = {
            EXECUTED: executed,
            CLIPPED: False,
            INTERVENED: False,
            SUCCESS: outcome.success,
            REWARD_TERMS: dict(outcome.terms),
        }
        terminated = outcome.terminated
        return self.simulation.observe(), outcome.reward, terminated, truncated and not terminated, info

    def _carry_out(self, action: Action) -> Outcome:
        if self._seed is None:
            raise SpecError("step", expected="a reset first", got="none")
        self._actions.append(action)
        outcome = self.simulation.step(action)
        total, left = outcome.reward, self._repeat - 1
        while left > 0 and not (outcome.terminated or outcome.truncated):
            outcome = self.simulation.step(action)
            total, left = total + outcome.reward, left - 1
        return replace(outcome, reward=total)

    def observe(self) -> Obs:
        """Return a fresh observation without stepping, as after `restore`."""
        return self.simulation.observe()

    @override
    def render(self) -> NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return an image (H, W, 3) for people, or None without render mode."""
        return None if self.render_mode is None else self.simulation.picture()

    def save(self) -> Saved:
        """Return the episode so far (its seed and actions) and the env's randomness, as plain arrays."""
        actions = np.array(self._actions, np.float32).reshape(-1, self.env_spec.action.size)
        seed = -1 if self._seed is None else self._seed
        return {"episode": {"seed": np.array(seed), "actions": actions}, "rng": save_rng(self.np_random)}

    def restore(self, saved: Mapping[str, Mapping[str, NDArray[np.generic]]]) -> None:
        """Put back what `save` returned, by playing the episode again; `observe` then gives the observation.

        Raises:
            SpecError: If a part is missing.
        """
        for name in ("episode", "rng"):
            if name not in saved:
                raise SpecError(f"env snapshot, part '{name}'", expected="present", got="missing")
        seed = int(saved["episode"]["seed"])
        self._seed, self._actions = (None if seed < 0 else seed), []
        if self._seed is not None:
            self.simulation.reset(self._seed)
            for action in np.array(saved["episode"]["actions"], np.float32):
                self._carry_out(action)
        load_rng(self.np_random, saved["rng"])

    @override
    def close(self) -> None:
        """Release the simulation; may be called twice."""
        self.simulation.close()
