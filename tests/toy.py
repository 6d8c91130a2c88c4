"""A tiny env and policy for the loops: the state counts steps, the action is stored, success is chosen by the seed."""

from typing import Any

import gymnasium as gym
import numpy as np

from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import CLIPPED, EXECUTED, INTERVENED, SUCCESS, Decision

SPEC = EnvSpec(
    obs={"state/x": ArraySpec(shape=(2,), dtype="float32")},
    action=ActionSpec((ActionPart(arm="toy", kind=ActionKind.JOINT_DELTA, size=1),)),
    rate_hz=10.0,
    max_steps=7,
)


class CountEnv(gym.Env[Any, Any]):
    """Episode of seed s: even seeds terminate with success after 3 + s % 3 steps, odd ones are truncated after 7."""

    env_spec = SPEC

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Dict({k: v.space() for k, v in SPEC.obs.items()})
        self.action_space = SPEC.action.space()
        self.seed, self.t = 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None):
        super().reset(seed=seed)
        if seed is not None:
            self.seed = seed
        self.t = 0
        return self._obs(), {SUCCESS: False, INTERVENED: False}

    def step(self, action: Any):
        self.t += 1
        won = self.seed % 2 == 0 and self.t >= 3 + self.seed % 3
        executed = np.asarray(action, np.float32) * 0.5
        info = {EXECUTED: executed, CLIPPED: False, INTERVENED: self.t == 2, SUCCESS: won}
        return self._obs(), float(won), won, not won and self.t >= SPEC.max_steps, info

    def _obs(self):
        return {"state/x": np.array([self.seed, self.t], np.float32)}

    def save(self) -> dict[str, dict[str, np.ndarray]]:
        return {"all": {"seed": np.array(self.seed), "t": np.array(self.t)}}

    @property
    def snapshot(self):
        return self.save()

    @snapshot.setter
    def snapshot(self, saved: dict[str, dict[str, np.ndarray]]) -> None:
        self.seed, self.t = int(saved["all"]["seed"]), int(saved["all"]["t"])


def count_envs(size: int) -> gym.vector.SyncVectorEnv:
    return gym.vector.SyncVectorEnv([CountEnv] * size, autoreset_mode=gym.vector.AutoresetMode.DISABLED)


class NoisePolicy:
    """Acts with noise from the generator it is given, and notes what it was told."""

    def __init__(self) -> None:
        self.seen = []

    def initial(self, batch_size: int) -> None:
        return None

    def act(self, obs, carry, prev, mode, rng):
        self.seen.append((prev.first.copy(), prev.executed.copy(), prev.intervened.copy()))
        size = len(prev.first)
        return Decision(action=rng.uniform(-1, 1, (size, 1)).astype(np.float32), carry=None)
