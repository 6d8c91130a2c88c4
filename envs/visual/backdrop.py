"""Moving pictures behind a scene, exactly where nothing of it is drawn."""

from collections.abc import Callable
from typing import Any

import cv2
import gymnasium as gym
import mujoco
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.types import Action, Obs
from robolearn.envs.sim.stage import Stage
from robolearn.envs.visual.clips import Clip, at, load_clips
from robolearn.envs.visual.config import BackdropConfig
from robolearn.envs.visual.wrapper import VisualWrapper

HIDDEN_GROUP = 5
"""Geom group that no profile draws."""


class Backdrop(VisualWrapper):
    """Shows clips behind a scene; the mask comes from the depth of each picture, not from its colours.

    `info["visual"]["backdrop"]` reports the clip and its first frame.

    Args:
        env: What to wrap; the wrapper must be inside all others that change observations.
        stage: How the env's simulation looks.
        cfg: What to show.
        agents: Seed -> a clip of the env itself, for the source `agents`.

    Raises:
        ConfigError: If there is nothing to show.
    """

    name = "backdrop"

    def __init__(
        self, env: gym.Env[Obs, Action], stage: Stage, cfg: BackdropConfig, agents: Callable[[int], Clip]
    ) -> None:
        super().__init__(env)
        self._stage, self._cfg = stage, cfg
        size = max(self.env_spec.obs[key].shape[0] for key in self.env_spec.pixel_keys)
        self._clips = load_clips(cfg, size, agents)
        self._clip = self._first = 0
        self._floors: tuple[mujoco.MjModel | None, NDArray[np.intp], NDArray[np.int32]] = _no_floors()
        stage.backdrop = self._behind

    @override
    def draw(self, rng: np.random.Generator, first: bool) -> dict[str, Any] | None:
        every = self._cfg.change_every
        self._hide_floors()
        if not (first or (every and self._steps % every == 0)):
            return None
        self._clip, self._first = int(rng.integers(len(self._clips))), int(rng.integers(len(self._clips[0])))
        return {"clip": self._clip, "frame": self._first}

    @override
    def refresh(self, obs: Obs) -> Obs:
        return self.env.get_wrapper_attr("observe")()

    @override
    def close(self) -> None:
        self._stage.backdrop = None
        model, floors, groups = self._floors
        if model is not None:
            model.geom_group[floors] = groups
        super().close()

    def _behind(self, camera: int, picture: NDArray[np.uint8], empty: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return `picture` with the present frame where it is `empty`; every camera has its own frame."""
        height, width = picture.shape[:2]
        frame = at(self._clips, self._clip, self._first + self._steps + 7 * camera)
        if frame.shape[:2] != (height, width):
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        if self._cfg.grey:
            frame = np.asarray(frame.mean(axis=2, keepdims=True)).repeat(3, axis=2).astype(np.uint8)
        if self._cfg.window < 1.0:
            empty = empty & _window(height, width, self._cfg.window)
        return np.where(empty[..., None], frame, picture).astype(np.uint8)

    def _hide_floors(self) -> None:
        model = self._stage.model
        if self._cfg.floor and self._floors[0] is not model:
            floors = np.flatnonzero(_scenery(model))
            self._floors = model, floors, model.geom_group[floors].copy()
            model.geom_group[floors] = HIDDEN_GROUP
            self._stage.changed()


def _scenery(model: mujoco.MjModel) -> NDArray[np.bool_]:
    """Return which geoms are planes, or stand fast in the world and can be seen but not touched, as the top of our table."""
    plane = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    fixed, ghost = model.geom_bodyid == 0, (model.geom_contype == 0) & (model.geom_conaffinity == 0)
    return np.asarray(plane | (fixed & ghost), np.bool_)


def _no_floors() -> tuple[None, NDArray[np.intp], NDArray[np.int32]]:
    return None, np.zeros(0, np.intp), np.zeros(0, np.int32)


def _window(height: int, width: int, share: float) -> NDArray[np.bool_]:
    inside = np.zeros((height, width), np.bool_)
    top, left = round(height * (1.0 - share) / 2), round(width * (1.0 - share) / 2)
    inside[top : height - top, left : width - left] = True
    return inside
