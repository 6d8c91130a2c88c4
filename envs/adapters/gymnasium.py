"""Any Gymnasium env: Box or Dict observations, a Box of actions, images of its own or from `render()`."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import cv2
import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.protocols import Outcome
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import PIXELS, PROPRIO, STATE, Action, Array, Obs
from robolearn.envs.adapters.bounds import ActionBounds
from robolearn.envs.adapters.config import GymnasiumConfig
from robolearn.envs.adapters.seeding import seeded
from robolearn.envs.sim import gl
from robolearn.envs.tasks.expert import Expert

RENDER = "render"
"""The camera that is the env's own `render()`."""
BODY = "body"
"""Name of whatever is moved."""
WHOLE = "obs"
"""Name of an observation that is one array."""
SUCCESS_FLAGS = ("success", "is_success")
"""Keys of `info` by which envs of the field say that their task is solved."""
DEFAULT_RATE_HZ = 20.0
"""Where neither the env nor its metadata says."""
_HORIZON = 1_000_000_000


class GymnasiumSimulation:
    """A Gymnasium env behind `AdaptedEnv`.

    Raises:
        ConfigError: If it is unknown, cannot be made, or its spaces are not arrays.
    """

    stage = None
    """It draws its own pictures."""

    def __init__(self, cfg: GymnasiumConfig) -> None:
        self._cfg = cfg
        self._env = _make(cfg)
        self._bounds = _action_bounds(self._env.action_space, cfg.id)
        self._rendered = cfg.observation != "state" and RENDER in cfg.cameras
        self._picture: NDArray[np.uint8] | None = None
        self._seen = self._reset(0)
        self._take_context()  # Gymnasium's renderer takes its view from the state in which it is made
        self._cameras = {} if cfg.observation == "state" else self._find_cameras()
        frames = ArraySpec(shape=(cfg.image_size, cfg.image_size, 3), dtype="uint8", low=0.0, high=255.0)
        vectors = {key: ArraySpec(shape=value.shape, dtype="float32") for key, value in self._vectors().items()}
        if not (self._cameras or vectors):
            known = sorted(self._seen)
            raise ConfigError(
                "env.observation", expected="something to observe", got=cfg.observation, fix=f"it has {known}"
            )
        rate = getattr(self._env.unwrapped, "dt", None)
        limit = None if self._env.spec is None else self._env.spec.max_episode_steps
        self._spec = EnvSpec(
            obs={PIXELS + name: frames for name in self._cameras} | vectors,
            action=ActionSpec((ActionPart(arm=BODY, kind=ActionKind.NATIVE, size=self._bounds.size),)),
            rate_hz=1.0 / float(rate) if rate else float(self._env.metadata.get("render_fps") or DEFAULT_RATE_HZ),
            max_steps=limit or _HORIZON,
        )

    @property
    def env_spec(self) -> EnvSpec:
        """Return what is observed and what actions mean."""
        return self._spec

    def reset(self, seed: int) -> None:
        """Begin an episode."""
        self._seen = self._reset(seed)

    def step(self, action: Action) -> Outcome:
        """Carry out an action (A,) for one control period."""
        space = cast("gym.spaces.Box", self._env.action_space)
        native = self._bounds.native(action).astype(space.dtype)
        obs, reward, terminated, truncated, info = self._env.step(native)
        self._seen = flatten(obs)
        self._picture = self._draw() if self._rendered else None
        success = any(bool(info.get(flag, False)) for flag in SUCCESS_FLAGS)
        sparse = self._cfg.reward == "sparse"
        return Outcome(
            reward=float(success) if sparse else float(reward),
            success=success,
            terminated=terminated or (sparse and success),
            truncated=truncated,
            terms={"gymnasium": float(reward)},
        )

    def observe(self) -> Obs:
        """Return what is seen now."""
        frames = {PIXELS + name: self._frame(key) for name, key in self._cameras.items()}
        return {**frames, **self._vectors()}

    def picture(self) -> NDArray[np.uint8]:
        """Return an image (H, W, 3): the env's `render()`."""
        return self._draw() if self._picture is None else self._picture

    def expert(self, rng: np.random.Generator) -> Expert:
        """Raise: there is none."""
        raise ConfigError(
            "expert", expected="a task with one", got=self._cfg.id, fix="give demos.path, or demos.count=0"
        )

    def close(self) -> None:
        """Close the env; may be called twice."""
        with gl.drawn_elsewhere():
            self._env.close()

    def _reset(self, seed: int) -> Obs:
        """Reset with every generator seeded: some wrappers draw from the env's before they hand the seed on."""
        self._env.unwrapped.np_random = seeding.np_random(seed)[0]
        with gl.drawn_elsewhere(), seeded(seed):
            seen = flatten(self._env.reset(seed=seed)[0])
        self._picture = self._draw() if self._rendered else None
        return seen

    def _draw(self) -> NDArray[np.uint8]:
        """Return the env's own picture; drawing may change its physics, so it is part of every step or of none."""
        with gl.drawn_elsewhere():
            self._take_context()
            picture = self._env.render()
        if not isinstance(picture, np.ndarray):
            raise ConfigError(f"render of {self._cfg.id}", expected="an image", got=type(picture).__name__)
        return picture.astype(np.uint8)

    def _take_context(self) -> None:
        """Bind the OpenGL context of Gymnasium's own renderer, which expects that no other has been bound since it was made."""
        renderer = getattr(self._env.unwrapped, "mujoco_renderer", None)
        if renderer is not None and self._env.render_mode == "rgb_array":
            renderer._get_viewer("rgb_array").make_context_current()

    def _find_cameras(self) -> dict[str, str]:
        """Return the cameras wanted, by name, with the key of their images."""
        images = {key.removeprefix("pixels."): key for key, value in self._seen.items() if is_image(value)}
        known = {**images, RENDER: RENDER}
        for name in self._cfg.cameras:
            if name not in known:
                raise ConfigError(
                    "env.cameras", expected="an image of the env", got=f"'{name}'", fix=nearest(name, known)
                )
        return {name: known[name] for name in self._cfg.cameras}

    def _frame(self, key: str) -> NDArray[np.uint8]:
        image = self.picture() if key == RENDER else self._seen[key].astype(np.uint8)
        upright = image if image.shape[-1] == 3 else np.moveaxis(image, 0, -1)
        size = self._cfg.image_size
        if upright.shape[:2] == (size, size):
            return upright.copy()
        return cv2.resize(upright, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)

    def _vectors(self) -> Obs:
        found: Obs = {}
        for key, value in self._seen.items():
            sensed = key in self._cfg.proprio
            if not is_image(value) and (sensed or self._cfg.observation != "images"):
                found[f"{PROPRIO}{BODY}.{key}" if sensed else STATE + key] = np.array(value, np.float32).ravel()
        return found


def flatten(obs: Any, prefix: str = "") -> Obs:  # noqa: ANN401  (whatever the env gives)
    """Return the arrays of an observation by name; those of nested dictionaries as `outer.inner`."""
    if isinstance(obs, Mapping):
        parts: Iterable[Obs] = (flatten(value, f"{prefix}{key}.") for key, value in obs.items())
        return {key: value for part in parts for key, value in part.items()}
    return {prefix.removesuffix(".") or WHOLE: np.asarray(obs)}


def is_image(value: Array) -> bool:
    """Return whether an array is an image (H, W, 3) or (3, H, W)."""
    return value.dtype == np.uint8 and value.ndim == 3 and 3 in (value.shape[0], value.shape[-1])


def _make(cfg: GymnasiumConfig) -> gym.Env[Any, Any]:
    arguments = dict(cfg.kwargs)
    if RENDER in cfg.cameras or cfg.observation == "state":
        arguments.setdefault("render_mode", "rgb_array")
    try:
        return gym.make(cfg.id, disable_env_checker=True, **arguments)
    except (gym.error.Error, ModuleNotFoundError, TypeError) as error:
        raise ConfigError(
            "env.id", expected="an env that gymnasium.make can make", got=f"'{cfg.id}': {error}"
        ) from error


def _action_bounds(space: gym.Space[Any], name: str) -> ActionBounds:
    if not isinstance(space, gym.spaces.Box):
        raise ConfigError(f"actions of {name}", expected="a Box", got=space)
    return ActionBounds(space.low, space.high, space.shape)
