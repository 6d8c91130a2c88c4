"""Envs with their wrappers around them: how they look, what is disturbed, what is seen of them; and states shown again."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import gymnasium as gym
import numpy as np

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Vector
from robolearn.core.types import PIXELS, Action, Obs
from robolearn.envs.adapters.adapted import AdaptedEnv, Recalling
from robolearn.envs.adapters.view import camera_numbers
from robolearn.envs.build import build_env
from robolearn.envs.config import EnvConfig, WrappersConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.stage import Stage
from robolearn.envs.tasks.base import SimTask
from robolearn.envs.visual.backdrop import Backdrop
from robolearn.envs.visual.clips import LENGTH, Clip
from robolearn.envs.visual.randomisation import VisualRandomisation
from robolearn.envs.visual.webcam import Webcam
from robolearn.envs.wrappers.action import RelativeFrame
from robolearn.envs.wrappers.disturbance import Disturbance
from robolearn.envs.wrappers.observation import History, Reframe, Select


def make_env(cfg: EnvConfig, render_mode: str | None = None) -> gym.Env[Obs, Action]:
    """Build the env that `cfg` describes, with its wrappers around it.

    Raises:
        ConfigError: As `build_env`, or if a wrapper does not fit.
    """
    return wrapped(_dressed(build_env(cfg, render_mode), cfg), cfg)


def wrapped(env: gym.Env[Obs, Action], cfg: EnvConfig) -> gym.Env[Obs, Action]:
    """Return `env` with the wrappers around it that change how it is acted in and what is observed."""
    wanted = cfg.wrappers
    for camera, (top, left, height, width) in wanted.crop.items():
        env = Reframe(env, camera, cfg.image_size, (top, left, height, width))
    if wanted.relative_frame:
        env = RelativeFrame(env)
    if wanted.keys is not None:
        env = Select(env, wanted.keys)
    if max(wanted.frames, wanted.history) > 1:
        env = History(env, wanted.frames, wanted.history)
    return env


def make_vector_env(cfg: EnvConfig, n: int, processes: bool) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Return `n` equal envs that are reset by `options={"reset_mask": ...}`; in one process, or in `n` of their own."""
    if n < 1:
        raise ConfigError("envs", expected="1 or more", got=n)
    makers = [partial(make_env, cfg)] * n
    mode = gym.vector.AutoresetMode.DISABLED
    if processes:
        return gym.vector.AsyncVectorEnv(makers, context="spawn", autoreset_mode=mode)  # EGL hangs after fork
    return gym.vector.SyncVectorEnv(makers, autoreset_mode=mode)


def vectorised(env: gym.Env[Obs, Action]) -> gym.vector.VectorEnv[Any, Any, Any]:
    """Return a vector env of this one env."""
    return gym.vector.SyncVectorEnv([lambda: env], autoreset_mode=gym.vector.AutoresetMode.DISABLED)


def _dressed(env: RobotEnv | AdaptedEnv, cfg: EnvConfig) -> gym.Env[Obs, Action]:
    """Return `env` with the wrappers around it that disturb it and make it look different."""
    visual, layer = cfg.wrappers.visual, cast("gym.Env[Obs, Action]", env)
    if cfg.wrappers.disturbance.chance:
        if not (isinstance(env, RobotEnv) and isinstance(env.task, SimTask)):
            raise ConfigError("env.wrappers.disturbance", expected="a task of ours", got=type(cfg).__name__)
        layer = Disturbance(layer, env.task.world, cfg.wrappers.disturbance)
    if visual.randomisation.active or visual.backdrop.source:
        stage, cameras = stage_of(env)
        if visual.randomisation.active:
            layer = VisualRandomisation(layer, stage, cameras, visual.randomisation)
        if visual.backdrop.source:
            layer = Backdrop(layer, stage, visual.backdrop, partial(_film_agent, cfg))
    return Webcam(layer, visual.webcam) if visual.webcam.active else layer


def stage_of(env: RobotEnv | AdaptedEnv) -> tuple[Stage, dict[str, int]]:
    """Return how the simulation of an env looks, and the numbers of the cameras that observe it.

    Raises:
        ConfigError: If its pictures are not ours to draw.
    """
    names = [key.removeprefix(PIXELS) for key in env.env_spec.pixel_keys]
    if isinstance(env, AdaptedEnv) and env.simulation.stage is not None:
        return env.simulation.stage, camera_numbers(env.simulation.stage.model, names)
    if isinstance(env, RobotEnv) and isinstance(env.task, SimTask):
        return env.task.world.stage, {name: env.task.world.camera_id(name) for name in names}
    raise ConfigError(
        "env.wrappers.visual",
        expected="a simulation whose pictures we draw: our tasks, robosuite, dm_control",
        got="one that draws its own",
        fix="only the webcam works here",
    )


def state_of(env: gym.Env[Any, Any]) -> Callable[[], Vector] | None:
    """Return what gives the state of an env's simulation (D,); None where there is none that can be shown again."""
    base = env.unwrapped
    if isinstance(base, AdaptedEnv) and isinstance(base.simulation, Recalling) and base.simulation.stage is not None:
        return base.simulation.stage.state
    if isinstance(base, RobotEnv) and isinstance(base.task, SimTask):
        return base.task.world.stage.state
    return None


def recall(env: RobotEnv | AdaptedEnv, state: Vector, model: str | None = None) -> tuple[Obs, bool]:
    """Return what is seen in a recorded state (D,), and whether robosuite calls it a success; of our tasks pictures only.

    Args:
        env: Its episode is over then.
        state: As `state_of` gave it.
        model: In MJCF, where the episode has its own.

    Raises:
        ConfigError: If such states cannot be shown.
        SpecError: If the state is of another model.
    """
    if isinstance(env, AdaptedEnv) and isinstance(env.simulation, Recalling):
        success = env.simulation.recall(state, model)
        return env.simulation.observe(), success
    if isinstance(env, RobotEnv) and isinstance(env.task, SimTask) and model is None:
        env.task.world.stage.recall(state)
        return {PIXELS + name: camera.latest(math.inf).pixels for name, camera in env.cameras.items()}, False
    raise ConfigError("env", expected="one of our tasks, or of robosuite, as the file", got=type(env).__name__)


def _film_agent(cfg: EnvConfig, seed: int) -> Clip:
    """Return what the first camera of an env sees of random actions, from reset to truncation."""
    env = build_env(replace(cfg, wrappers=WrappersConfig()))
    rng = np.random.default_rng(seed)
    key = env.env_spec.pixel_keys[0]
    frames = [env.reset(seed=seed)[0][key]]
    for _ in range(min(env.env_spec.max_steps, LENGTH) - 1):
        action = rng.uniform(-1.0, 1.0, env.env_spec.action.size).astype(np.float32)
        obs, _, terminated, truncated, _ = env.step(action)
        frames.append(obs[key])
        if terminated or truncated:
            break
    env.close()
    return np.stack(frames).astype(np.uint8)
