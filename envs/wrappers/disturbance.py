"""Disturbances: what lies about is moved in the middle of an episode, as by a passer-by."""

import zlib
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from typing_extensions import override

from robolearn.core.geometry import Pose, quat_from_rotvec, quat_multiply
from robolearn.core.types import Action, Array, Obs
from robolearn.envs.config import DisturbanceConfig
from robolearn.envs.sim.world import World
from robolearn.envs.snapshot import Arrays, load_rng, save_rng
from robolearn.envs.wrappers.observation import ObsTransform, StepResult

DISTURBED = "disturbed"
"""Key of `info`: the body that was moved before this step, or an empty string."""
STILL = 0.02
"""What moves slower than this lies still, m/s."""
OVERLAP = 1e-3
"""How deep a moved body may be in anything else, m."""
_TRIES = 20


class Disturbance(ObsTransform):
    """Moves, now and then, one loose body that lies still and that no arm touches, to where it overlaps nothing.

    A seed of `reset` decides it all; the generator is saved with the env.
    """

    name = "disturbance"

    def __init__(self, env: gym.Env[Obs, Action], world: World, cfg: DisturbanceConfig) -> None:
        super().__init__(env)
        self._world, self._cfg = world, cfg
        self._rng = np.random.default_rng()

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        if seed is not None:
            self._rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        obs, info = super().reset(seed=seed, options=options)
        return obs, info | {DISTURBED: ""}

    @override
    def step(self, action: Action) -> StepResult:
        moved = self._disturb() if self._rng.uniform() < self._cfg.chance else ""
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward, terminated, truncated, info | {DISTURBED: moved}

    @override
    def memory(self) -> Arrays:
        return save_rng(self._rng)

    @override
    def recall(self, memory: Mapping[str, Array]) -> None:
        load_rng(self._rng, memory)

    def _disturb(self) -> str:
        """Move a body, and return its name; empty if there is none that could be moved."""
        world, shift = self._world, self._cfg.shift
        bodies = [body for body in world.loose() if not world.handled(body) and world.speed(body) < STILL]
        if not bodies:
            return ""
        body = bodies[int(self._rng.integers(len(bodies)))]
        before = world.pose(body)
        for _ in range(_TRIES):
            way = np.array([*self._rng.uniform(-shift, shift, 2), 0.0])
            turn = quat_from_rotvec(np.array([0.0, 0.0, self._rng.uniform(-self._cfg.turn, self._cfg.turn)]))
            world.place(body, Pose(before.position + way, quat_multiply(turn, before.quat_wxyz)))
            world.refresh()
            if world.overlap(body) < OVERLAP:
                return body
        world.place(body, before)
        world.refresh()
        return ""
