"""dm_control: every task of its suite and of its manipulation domain, with seeds for every episode and cheaper pictures."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.protocols import Outcome
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import PIXELS, STATE, Action, Obs
from robolearn.envs.adapters.bounds import ActionBounds
from robolearn.envs.adapters.config import DmControlConfig
from robolearn.envs.adapters.view import FAST, FASTEST, FILM, STOCK, ModelView, camera_numbers
from robolearn.envs.sim import gl
from robolearn.envs.sim.stage import Stage
from robolearn.envs.tasks.expert import Expert

EXTRA = "pip install 'robolearn[dm-control]'"
PROFILES = {"stock": STOCK, "fast": FAST, "fastest": FASTEST}
MANIPULATION = "manipulation"
FEATURES = "_features"
"""End of the names of manipulation tasks that observe no images, which are those that we take: pictures are ours."""
BODY = "body"
"""Name of whatever is moved."""


class DmControlSimulation:
    """A dm_control task behind `AdaptedEnv`.

    Rewards lie in [0, 1] a step. An episode that ends with discount 0 is over for good; the library's time limits truncate.

    Raises:
        ConfigError: If dm_control is missing or does not know the task.
    """

    def __init__(self, cfg: DmControlConfig) -> None:
        self._cfg = cfg
        if cfg.observation != "state":
            gl.backend()  # decided before dm_control looks for one
        self._env, self._random = _load(cfg.task)
        self._last = self._env.reset()
        action = self._env.action_spec()
        self._bounds = ActionBounds(action.minimum, action.maximum, action.shape)
        self.stage = Stage(model=self._model, data=self._data)
        """How it looks."""
        self._view = ModelView(self.stage, PROFILES[cfg.profile], cfg.image_size)
        self._film = ModelView(self.stage, STOCK, FILM)
        self._cameras = camera_numbers(self._model, [] if cfg.observation == "state" else self._numbered(cfg.cameras))
        period = float(self._env.control_timestep())
        frames = ArraySpec(shape=(cfg.image_size, cfg.image_size, 3), dtype="uint8", low=0.0, high=255.0)
        vectors = {key: ArraySpec(shape=value.shape, dtype="float32") for key, value in self._vectors().items()}
        self._spec = EnvSpec(
            obs={PIXELS + name: frames for name in self._cameras} | vectors,
            action=ActionSpec((ActionPart(arm=BODY, kind=ActionKind.NATIVE, size=self._bounds.size),)),
            rate_hz=1.0 / period,
            max_steps=_limit(self._env, period),
        )

    @property
    def env_spec(self) -> EnvSpec:
        """Return what is observed and what actions mean."""
        return self._spec

    @property
    def dm_control(self) -> Any:  # noqa: ANN401  (dm_control has no types)
        """The dm_control env itself."""
        return self._env

    def reset(self, seed: int) -> None:
        """Begin an episode."""
        self._random.seed(seed)
        self._last = self._env.reset()
        self.stage.follow(self._model, self._data)

    def step(self, action: Action) -> Outcome:
        """Carry out an action (A,) for one control period."""
        self._last = self._env.step(self._bounds.native(action))
        reward, target = float(self._last.reward or 0.0), self._cfg.success_reward
        success = target is not None and reward >= target
        over = self._last.last() and self._last.discount == 0.0
        terminated = over or (success and self._cfg.reward == "sparse")
        return Outcome(
            reward=float(success) if self._cfg.reward == "sparse" else reward,
            success=success,
            terminated=terminated,
            truncated=self._last.last() and not terminated,
            terms={"dm_control": reward},
        )

    def observe(self) -> Obs:
        """Return what is seen now."""
        frames = self._view.frames(self._cameras) if self._cameras else {}
        return {**frames, **self._vectors()}

    def picture(self) -> NDArray[np.uint8]:
        """Return an image (H, W, 3) as dm_control draws it."""
        (frame,) = self._film.frames({"film": 0}).values()
        return frame.astype(np.uint8)

    def expert(self, rng: np.random.Generator) -> Expert:
        """Raise: there is none."""
        raise ConfigError(
            "expert", expected="a task with one", got=self._cfg.task, fix="give demos.path, or demos.count=0"
        )

    def close(self) -> None:
        """Release everything; may be called twice."""
        self._view.close()
        self._film.close()

    @property
    def _model(self) -> Any:  # noqa: ANN401
        return self._env.physics.model.ptr

    @property
    def _data(self) -> Any:  # noqa: ANN401
        return self._env.physics.data.ptr

    def _numbered(self, cameras: list[str]) -> list[str]:
        """Return the names of cameras of which some are given by number."""
        known = self._model.ncam
        return [
            self._model.camera(int(name)).name or name if name.isdigit() and int(name) < known else name
            for name in cameras
        ]

    def _vectors(self) -> Obs:
        if self._cfg.observation == "images":
            return {}
        seen = self._last.observation
        return {STATE + key.replace("/", "."): np.array(value, np.float32).ravel() for key, value in seen.items()}


def _load(name: str) -> tuple[Any, np.random.RandomState]:
    """Return the env of a task, and the generator that decides its episodes."""
    domain, _, task = name.partition("-")
    if domain == MANIPULATION:
        manipulation = _import("dm_control.manipulation")
        known = [known.removesuffix(FEATURES) for known in manipulation.get_environments_by_tag("features")]
        _require(task, known, [f"{MANIPULATION}-{known}" for known in known], name)
        env = manipulation.load(task + FEATURES, seed=0)
        return env, env.random_state
    suite = _import("dm_control.suite")
    known = [f"{known_domain}-{known_task}" for known_domain, known_task in suite.ALL_TASKS]
    _require(name, known, known, name)
    env = suite.load(domain, task, task_kwargs={"random": 0})
    return env, env.task.random


def _require(task: str, tasks: list[str], known: list[str], name: str) -> None:
    if task not in tasks:
        raise ConfigError("env.task", expected="a task of dm_control", got=f"'{name}'", fix=nearest(name, known))


def _import(module: str) -> ModuleType:
    if not hasattr(np, "in1d"):
        numpy: Any = np
        numpy.in1d = np.isin  # dm_control 1.0.34 still asks for it, numpy 2.4 has it no more
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError("env", expected="dm_control", got=str(error), fix=EXTRA) from error


def _limit(env: Any, period_s: float) -> int:  # noqa: ANN401
    """Return the control steps after which the library ends an episode by itself; a billion if it never does."""
    steps = getattr(env, "_step_limit", None)
    steps = env._time_limit / period_s if steps is None else steps
    return int(min(np.ceil(steps - 1e-6), 1e9))
