"""A real camera's faults in simulated pictures: exposure, white balance, blur, noise, compression, delay and lost frames."""

from collections.abc import Mapping
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.types import PIXELS, Action, Array, Obs
from robolearn.envs.snapshot import Arrays
from robolearn.envs.visual.config import WebcamConfig
from robolearn.envs.visual.wrapper import VisualWrapper


class Webcam(VisualWrapper):
    """Shows every camera's pictures as a cheap one would deliver them, in this order: optics, sensor, compression, cable.

    `info["visual"]["webcam"]` reports, by camera, the gains of red, green and blue, the blur in pixels, and the delay in steps.
    """

    name = "webcam"

    def __init__(self, env: gym.Env[Obs, Action], cfg: WebcamConfig) -> None:
        super().__init__(env)
        self._cfg = cfg
        self._gains: dict[str, NDArray[np.float32]] = {}
        self._blurs: dict[str, float] = {}
        self._delays: dict[str, int] = {}
        self._seen: dict[str, list[NDArray[np.uint8]]] = {}
        """By camera, the pictures on their way, the one that is shown first."""

    @override
    def draw(self, rng: np.random.Generator, first: bool) -> dict[str, Any] | None:
        if not first:
            return None
        cfg = self._cfg
        for key in self.env_spec.pixel_keys:
            brightness, red, blue = 1.0 + np.array([cfg.exposure, *[cfg.white_balance] * 2]) * rng.uniform(-1, 1, 3)
            self._gains[key] = np.array([brightness * red, brightness, brightness * blue], np.float32)
            self._blurs[key] = rng.uniform(0.0, cfg.blur) / 100.0 * self.env_spec.obs[key].shape[0]
            self._delays[key] = int(rng.integers(cfg.delay + 1))
        return {
            key.removeprefix(PIXELS): np.array([*self._gains[key], self._blurs[key], self._delays[key]])
            for key in self._gains
        }

    @override
    def begin(self, obs: Obs) -> None:
        self._seen.clear()

    @override
    def observation(self, obs: Obs) -> Obs:
        return {key: self._through(key, value) if key in self._gains else value for key, value in obs.items()}

    @override
    def memory(self) -> Arrays:
        return super().memory() | {f"seen/{key}": np.stack(seen) for key, seen in self._seen.items()}

    @override
    def recall(self, memory: Mapping[str, Array]) -> None:
        super().recall(memory)
        self._seen = {
            key.removeprefix("seen/"): list(np.array(seen, np.uint8))
            for key, seen in memory.items()
            if key.startswith("seen/")
        }

    def _through(self, key: str, picture: Array) -> NDArray[np.uint8]:
        """Return what arrives when a camera looks at `picture`."""
        on_the_way = self._seen.setdefault(key, [])
        arriving = self._photograph(key, picture)
        if not on_the_way:
            on_the_way.extend([arriving] * (self._delays[key] + 1))
            return arriving.copy()
        on_the_way.append(arriving)
        lost = self._rng.uniform() < self._cfg.freeze
        shown = on_the_way.pop(0)
        if lost:
            on_the_way[0] = shown
        return on_the_way[0].copy()

    def _photograph(self, key: str, picture: Array) -> NDArray[np.uint8]:
        light = picture.astype(np.float32) * self._gains[key]
        if self._blurs[key] > 0.0:
            light = np.asarray(cv2.GaussianBlur(light, (0, 0), self._blurs[key]), np.float32)
        if self._cfg.noise:
            light += self._rng.normal(0.0, self._cfg.noise, light.shape).astype(np.float32)
        sensed = np.clip(light, 0.0, 255.0).astype(np.uint8)
        if not self._cfg.jpeg:
            return sensed
        _, coded = cv2.imencode(".jpg", sensed[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self._cfg.jpeg])
        seen = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
        return np.ascontiguousarray(seen[..., ::-1])
