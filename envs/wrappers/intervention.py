"""Letting a human, or a script that stands in for one, take over from the policy."""

from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import ConfigError, SpecError
from robolearn.core.protocols import Event, Intervention, InterventionSource
from robolearn.core.specs import ActionSpec, EnvSpec
from robolearn.core.types import INTERVENED, Action, Obs
from robolearn.envs.robot_env import RobotEnv


class InterventionWrapper(gym.Wrapper[Obs, Action, Obs, Action]):
    """Replace the entries of an action that a human commands, and say so in `info["intervened"]`.

    The human speaks this wrapper's coordinates; transforms around it bring what was executed into theirs. Events of the
    device (success, failure, rerecord, stop) reach the task at the end of the same step. A source that is silent or
    unplugged changes nothing, and nothing here waits for it.

    Args:
        env: A (wrapped) `RobotEnv`.
        source: Where the commands come from.
    """

    def __init__(self, env: gym.Env[Obs, Action], source: InterventionSource) -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, RobotEnv):
            raise ConfigError("InterventionWrapper", expected="a RobotEnv", got=type(env.unwrapped).__name__)
        self._robots = env.unwrapped
        self._source = source
        self._obs: Obs = {}

    @property
    def env_spec(self) -> EnvSpec:
        """Return the spec of the wrapped env."""
        return cast("EnvSpec", self.env.get_wrapper_attr("env_spec"))

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        """Begin an episode; what the device signalled before it is forgotten."""
        self._obs, info = self.env.reset(seed=seed, options=options)
        self._source.events()
        return self._obs, info

    @override
    def step(self, action: Action) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Execute the action, or what the human put in its place.

        Raises:
            SpecError: If the device sends another shape than the action's.
        """
        spec = self.env_spec.action
        intervention = self._source.poll(self._obs)
        self._robots.post_events(self._source.events())
        intervened = False
        if intervention is not None:
            _check(intervention, spec)
            intervened = bool(intervention.mask.any())
            action = np.where(intervention.mask, intervention.action, action).astype(np.float32)
        self._obs, reward, terminated, truncated, info = self.env.step(action)
        info = {**info, INTERVENED: intervened or bool(info[INTERVENED])}
        return self._obs, float(reward), terminated, truncated, info


class ScriptedSource:
    """A stand-in for a human: takes over when a trigger says so, and lets go with hysteresis.

    Args:
        act: Obs -> action (A,).
        trigger: Obs -> whether a human would step in now.
        size: A.
        hold_steps: Steps for which it stays in charge after the trigger was last true.
        mask: Which entries (A,) it commands; None for all.
        now_ns: The clock for stamps.
        device: Name in interventions and events.

    >>> source = ScriptedSource(lambda obs: np.zeros(2, np.float32), lambda obs: bool(obs["x"]), size=2, hold_steps=1)
    >>> [source.poll({"x": np.array(stuck)}) is not None for stuck in (0, 1, 0, 0)]
    [False, True, True, False]
    """

    def __init__(
        self,
        act: Callable[[Obs], Action],
        trigger: Callable[[Obs], bool],
        *,
        size: int,
        hold_steps: int = 5,
        mask: NDArray[np.bool_] | None = None,
        now_ns: Callable[[], int] = lambda: 0,
        device: str = "scripted",
    ) -> None:
        self._act = act
        self._trigger = trigger
        self._hold_steps = hold_steps
        self._mask = np.ones(size, np.bool_) if mask is None else mask.astype(np.bool_)
        self._now_ns = now_ns
        self._device = device
        self._left = 0
        self._events: list[Event] = []

    def poll(self, obs: Obs) -> Intervention | None:
        """Return the command for this step, or None while the policy is in charge."""
        if self._trigger(obs):
            self._left = self._hold_steps
        elif self._left > 0:
            self._left -= 1
        else:
            return None
        return Intervention(action=self._act(obs), mask=self._mask, stamp_ns=self._now_ns(), device=self._device)

    def signal(self, name: str) -> None:
        """Queue an event, as a person pressing a button would."""
        self._events.append(Event(name=name, stamp_ns=self._now_ns(), device=self._device))

    def events(self) -> list[Event]:
        """Return and forget the queued events."""
        events, self._events = self._events, []
        return events


def _check(intervention: Intervention, spec: ActionSpec) -> None:
    for name, values in (("action", intervention.action), ("mask", intervention.mask)):
        if values.shape != (spec.size,):
            raise SpecError(
                f"intervention of '{intervention.device}', {name}",
                expected=f"shape ({spec.size},) = {spec.describe()}",
                got=values.shape,
            )
