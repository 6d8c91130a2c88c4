"""Wrappers that change what is observed: which keys, which part of a picture at what size, and how much of the past."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import cv2
import gymnasium as gym
import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from robolearn.core.errors import ConfigError, SpecError, nearest
from robolearn.core.specs import ArraySpec, EnvSpec
from robolearn.core.types import PIXELS, PROPRIO, Action, Array, Obs
from robolearn.envs.snapshot import Arrays, Saved, Snapshotted

StepResult = tuple[Obs, float, bool, bool, dict[str, Any]]


class ObsTransform(Snapshotted, gym.Wrapper[Obs, Action, Obs, Action]):
    """Re-express observations; actions, rewards and everything else pass through.

    What a transform remembers of the episode is saved with the env, under its `name`.
    """

    name: str
    """Of its part in a snapshot; unique among the wrappers of an env."""

    def __init__(self, env: gym.Env[Obs, Action]) -> None:
        super().__init__(env)
        self.env_spec = self.transformed(cast("EnvSpec", env.get_wrapper_attr("env_spec")))
        self.observation_space = cast(
            "gym.Space[Obs]", gym.spaces.Dict({key: spec.space() for key, spec in self.env_spec.obs.items()})
        )

    def transformed(self, spec: EnvSpec) -> EnvSpec:
        """Return the spec of what comes out, and take note of it.

        Raises:
            ConfigError: If the env does not observe what is to be changed.
        """
        return spec

    def observation(self, obs: Obs) -> Obs:
        """Return what is observed from outside."""
        return obs

    def begin(self, obs: Obs) -> None:
        """Forget the last episode; `obs` is the first of the new one."""

    def memory(self) -> Arrays:
        """Return what is remembered of the episode."""
        return {}

    def recall(self, memory: Mapping[str, Array]) -> None:
        """Put back what `memory` returned."""

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        self.begin(obs)
        return self.observation(obs), info

    @override
    def step(self, action: Action) -> StepResult:
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self.observation(obs), float(reward), terminated, truncated, info

    def save(self) -> Saved:
        """Return the state of the env and of this wrapper."""
        return {**self.env.get_wrapper_attr("save")(), f"wrapper/{self.name}": self.memory()}

    def restore(self, saved: Mapping[str, Mapping[str, NDArray[np.generic]]]) -> None:
        """Put back what `save` returned.

        Raises:
            SpecError: If a part is missing.
        """
        part = f"wrapper/{self.name}"
        if part not in saved:
            raise SpecError(f"env snapshot, part '{part}'", expected="present", got="missing", fix=nearest(part, saved))
        self.env.get_wrapper_attr("restore")(saved)
        self.recall(saved[part])


class History(ObsTransform):
    """Show the last moments side by side, the newest last; before an episode has as many, its first fills the gap.

    Pictures (H, W, 3) become (H, W, 3 k), one moment after another along the channels; vectors (n,) become (k n,).

    Args:
        env: What to wrap.
        frames: Moments of every picture.
        vectors: Moments of all proprioception.
    """

    name = "history"

    def __init__(self, env: gym.Env[Obs, Action], frames: int = 1, vectors: int = 1) -> None:
        if min(frames, vectors) < 1:
            raise ConfigError("history", expected="1 moment or more", got=(frames, vectors))
        self._lengths = {PIXELS: frames, PROPRIO: vectors}
        self._past: dict[str, list[Array]] = {}
        super().__init__(env)

    @override
    def transformed(self, spec: EnvSpec) -> EnvSpec:
        obs = {key: self._longer(key, array) for key, array in spec.obs.items()}
        return msgspec.structs.replace(spec, obs=obs)

    @override
    def begin(self, obs: Obs) -> None:
        self._past = {key: [obs[key]] * (length - 1) for key in obs if (length := self._length(key)) > 1}

    @override
    def observation(self, obs: Obs) -> Obs:
        seen = dict(obs)
        for key, past in self._past.items():
            moments = [*past, obs[key]]
            seen[key] = np.concatenate(moments, axis=-1)
            past[:] = moments[1:]
        return seen

    @override
    def memory(self) -> Arrays:
        return {key: np.stack(past) for key, past in self._past.items()}

    @override
    def recall(self, memory: Mapping[str, Array]) -> None:
        self._past = {key: list(np.array(past)) for key, past in memory.items()}

    def _length(self, key: str) -> int:
        return next((length for prefix, length in self._lengths.items() if key.startswith(prefix)), 1)

    def _longer(self, key: str, array: ArraySpec) -> ArraySpec:
        shape = (*array.shape[:-1], array.shape[-1] * self._length(key))
        return msgspec.structs.replace(array, shape=shape)


class Reframe(ObsTransform):
    """Cut a part out of a camera's pictures, and show it at another size.

    Args:
        env: What to wrap.
        camera: Whose pictures.
        size: Pixels a side of what comes out.
        crop: (top, left, height, width) of the part as shares of the picture; the whole by default.
    """

    def __init__(
        self,
        env: gym.Env[Obs, Action],
        camera: str,
        size: int,
        crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    ) -> None:
        top, left, height, width = crop
        if min(top, left) < 0.0 or min(height, width) <= 0.0 or top + height > 1.0 or left + width > 1.0:
            raise ConfigError("reframe", expected="a part of the picture, in shares of it", got=crop)
        self.name = f"reframe_{camera}"
        self._key, self._size, self._crop = PIXELS + camera, size, crop
        super().__init__(env)

    @override
    def transformed(self, spec: EnvSpec) -> EnvSpec:
        if self._key not in spec.obs:
            raise ConfigError("reframe", expected="a camera", got=self._key, fix=nearest(self._key, spec.pixel_keys))
        shape = (self._size, self._size, spec.obs[self._key].shape[2])
        changed = msgspec.structs.replace(spec.obs[self._key], shape=shape)
        return msgspec.structs.replace(spec, obs={**spec.obs, self._key: changed})

    @override
    def observation(self, obs: Obs) -> Obs:
        picture = obs[self._key]
        rows, columns = picture.shape[:2]
        top, left, height, width = self._crop
        first, start = round(top * rows), round(left * columns)
        part = picture[first : first + max(round(height * rows), 1), start : start + max(round(width * columns), 1)]
        if part.shape[:2] != (self._size, self._size):
            part = cv2.resize(part.astype(np.uint8), (self._size, self._size), interpolation=cv2.INTER_AREA)
        return {**obs, self._key: np.ascontiguousarray(part)}


class Select(ObsTransform):
    """Observe some keys only.

    Args:
        env: What to wrap.
        keys: Which to keep, in full: `pixels/front`, `proprio/arm.q`.
    """

    name = "select"

    def __init__(self, env: gym.Env[Obs, Action], keys: Sequence[str]) -> None:
        self._keys = tuple(keys)
        super().__init__(env)

    @override
    def transformed(self, spec: EnvSpec) -> EnvSpec:
        for key in self._keys:
            if key not in spec.obs:
                raise ConfigError("select", expected="a key that is observed", got=key, fix=nearest(key, spec.obs))
        if not self._keys:
            raise ConfigError("select", expected="at least one key", got="none", fix=nearest("", spec.obs))
        return msgspec.structs.replace(spec, obs={key: spec.obs[key] for key in self._keys})

    @override
    def observation(self, obs: Obs) -> Obs:
        return {key: obs[key] for key in self._keys}
