"""What every job needs."""

import difflib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import gymnasium as gym

from robolearn.agents.config import AgentConfig
from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError
from robolearn.core.protocols import Agent
from robolearn.core.specs import ActionSpec, EnvSpec
from robolearn.core.types import Action, Obs
from robolearn.envs.config import TaskConfig
from robolearn.envs.remote import remote_env
from robolearn.envs.wrappers.intervention import InterventionWrapper
from robolearn.hardware.bridge.client import BridgeClient, RemoteRobot
from robolearn.hardware.bridge.hand import HandScene
from robolearn.hardware.bridge.scene import RemoteScene
from robolearn.hardware.cameras.client import RemoteCamera
from robolearn.hardware.human.keyboard import Keyboard, KeyboardConfig
from robolearn.hardware.human.source import HumanConfig, HumanSource
from robolearn.hardware.human.spacemouse import SpaceMouse, SpaceMouseConfig


def make_agent(cfg: AgentConfig, spec: EnvSpec, seed: int) -> Agent[Any]:
    """Build the agent that `cfg` describes; the class of `cfg` is what selects it.

    Raises:
        ConfigError: If no agent is known for the class of `cfg`.
    """
    from robolearn.agents.sac.config import SacConfig

    match cfg:
        case SacConfig():
            from robolearn.agents.sac.agent import SacAgent  # torch loads only when an agent is built

            return SacAgent(cfg, spec, seed)
        case _:
            known = sorted({c.__name__ for c in AgentConfig.__subclasses__()})
            near = difflib.get_close_matches(type(cfg).__name__, known, n=1, cutoff=0.0)
            raise ConfigError("agent", expected=f"one of {known}", got=type(cfg).__name__, fix=f"nearest: {near}")


@contextmanager
def closing_all() -> Iterator[Callable[[Any], Any]]:
    """Give a function that registers things with `close` and returns them; all are closed at the end, newest first."""
    with ExitStack() as stack:

        def closing(thing: Any) -> Any:  # noqa: ANN401  (whatever has `close`)
            stack.callback(thing.close)
            return thing

        yield closing


def make_human(cfg: HumanConfig, action: ActionSpec) -> HumanSource:
    """Return the device that the class of `cfg` selects.

    Raises:
        ConfigError: If there is none, or the arm is not moved by deltas of its tool.
    """
    match cfg:
        case KeyboardConfig():
            return Keyboard(cfg, action)
        case SpaceMouseConfig():
            return SpaceMouse(cfg, action)
        case _:
            raise ConfigError("human", expected="keyboard or spacemouse", got=type(cfg).__name__)


def with_human(
    env: gym.Env[Obs, Action], cfg: HumanConfig | None, closing: Callable[[Any], Any]
) -> gym.Env[Obs, Action]:
    """Return `env`, in which a person may take over if `cfg` says how.

    Raises:
        ConfigError: As `make_human`, or if there is no such device here.
    """
    if cfg is None:
        return env
    source = make_human(cfg, env.get_wrapper_attr("env_spec").action)
    closing(source).open()
    return InterventionWrapper(env, source)


def make_remote_env(cfg: TaskConfig, client: BridgeClient, pause_s: float) -> gym.Env[Obs, Action]:
    """Build the env of a task over the arms and cameras behind a bridge, with the wrappers that the task has in simulation.

    Args:
        cfg: The task; of a robot that is no twin, a person sets it up and judges it.
        client: Connected.
        pause_s: Which they have for it.

    Raises:
        ConfigError: If the server lacks a camera, or expects commands at another rate than that of the task.
    """
    client.require_rate(cfg.rate_hz)
    cameras = {name: RemoteCamera.of(client, name) for name in (() if cfg.observation == "state" else cfg.cameras)}
    return remote_env(
        cfg,
        {name: RemoteRobot(client, name) for name in client.welcome.arms},
        cameras,
        RemoteScene(client) if client.welcome.has_scene else HandScene(pause_s),
        WallClock(1.0 / cfg.rate_hz),
        max_frame_age_s=client.cfg.picture_s,
        stale_frames=client.cfg.stale_frames,
        align=client.cfg.align,
    )
