"""Composition of simulated envs: a config becomes a world, drivers, a supervisor, a task, and one `RobotEnv`."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast, overload

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.protocols import Clock
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, Frame
from robolearn.core.types import Action, Obs
from robolearn.envs.adapters.adapted import AdaptedEnv, Simulation
from robolearn.envs.adapters.config import AdapterConfig, DmControlConfig, GymnasiumConfig, RobosuiteConfig
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.assets.so101 import SO101
from robolearn.envs.config import ACTIONS, EnvConfig, TaskConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.camera import SimCamera
from robolearn.envs.sim.model import ArmModel
from robolearn.envs.sim.world import World
from robolearn.envs.tasks.base import SimTask
from robolearn.envs.tasks.drawer import Drawer, DrawerConfig
from robolearn.envs.tasks.expert import Expert
from robolearn.envs.tasks.handover import Handover, HandoverConfig
from robolearn.envs.tasks.lever import Lever, LeverConfig
from robolearn.envs.tasks.lift import Lift, LiftConfig
from robolearn.envs.tasks.peg import Peg, PegConfig
from robolearn.envs.tasks.pick_cube import PickCube, PickCubeConfig
from robolearn.envs.tasks.place import Place, PlaceConfig
from robolearn.envs.tasks.push import Push, PushConfig
from robolearn.envs.tasks.reach import Reach, ReachConfig
from robolearn.envs.tasks.slide import Slide, SlideConfig
from robolearn.envs.tasks.stack import Stack, StackConfig
from robolearn.envs.tasks.stow import Stow, StowConfig
from robolearn.envs.wrappers.action import ActionTransform
from robolearn.safety import SupervisedRobot

ConfigT = TypeVar("ConfigT", bound=TaskConfig)
TASKS: Mapping[type[TaskConfig], Callable[[Any], SimTask]] = {
    ReachConfig: Reach,
    PickCubeConfig: PickCube,
    LeverConfig: Lever,
    DrawerConfig: Drawer,
    PegConfig: Peg,
    PlaceConfig: Place,
    StackConfig: Stack,
    StowConfig: Stow,
    PushConfig: Push,
    SlideConfig: Slide,
    LiftConfig: Lift,
    HandoverConfig: Handover,
}
"""The task that the class of a config selects."""
ROBOTS: Mapping[str, ArmModel] = {"panda": PANDA, "so101": SO101}
"""The arms that a config can name."""
KNOWN = sorted(kind.__name__ for kind in (*TASKS, RobosuiteConfig, DmControlConfig, GymnasiumConfig))
"""Names of the configs that describe an env."""
FILM_SIZE = 480
RENDER_MODES = ("rgb_array",)


@overload
def build_env(cfg: TaskConfig, render_mode: str | None = None) -> RobotEnv: ...


@overload
def build_env(cfg: EnvConfig, render_mode: str | None = None) -> RobotEnv | AdaptedEnv: ...


def build_env(cfg: EnvConfig, render_mode: str | None = None) -> RobotEnv | AdaptedEnv:
    """Build the env that `cfg` describes; `render_mode="rgb_array"` makes `render` return a pretty picture.

    Raises:
        ConfigError: If nothing is known for the class of `cfg`, or the configuration does not fit together.
    """
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ConfigError("render_mode", expected=RENDER_MODES, got=render_mode, fix=nearest(render_mode, RENDER_MODES))
    if isinstance(cfg, AdapterConfig):
        return AdaptedEnv(_simulation(cfg), max_steps=cfg.max_steps, repeat=cfg.action_repeat, render_mode=render_mode)
    if isinstance(cfg, TaskConfig):
        return _task_env(cfg, render_mode)
    raise ConfigError(
        "env", expected="the config of a task", got=type(cfg).__name__, fix=nearest(type(cfg).__name__, KNOWN)
    )


def _task_env(cfg: TaskConfig, render_mode: str | None) -> RobotEnv:
    robot, task = arm_model(cfg), make_task(cfg)
    world = make_world(cfg, task)
    drivers = {name: SimArm(world, name) for name in task.stands}
    task.bind(world, drivers)
    cameras = () if cfg.observation == "state" else cfg.cameras
    return RobotEnv(
        arms={
            name: SupervisedRobot(driver, cfg.safety, world.clock, fault_log_level=logging.DEBUG)
            for name, driver in drivers.items()
        },
        cameras={name: SimCamera(world, name, cfg.image_size, cfg.image_size) for name in cameras},
        task=task,
        action=make_action(cfg, tuple(task.stands), len(robot.joints)),
        clock=world.clock,
        max_steps=cfg.max_steps,
        proprio=robot.proprio if cfg.proprio is None else cfg.proprio,
        snapshots={"world": world},
        renderer=None if render_mode is None else partial(_film, world),
        clear_faults=True,
    )


def _simulation(cfg: AdapterConfig) -> Simulation:
    """Return the simulation that is not ours which `cfg` describes; only it is imported."""
    match cfg:
        case RobosuiteConfig():
            from robolearn.envs.adapters.robosuite import RobosuiteSimulation

            return RobosuiteSimulation(cfg)
        case DmControlConfig():
            from robolearn.envs.adapters.dm_control import DmControlSimulation

            return DmControlSimulation(cfg)
        case GymnasiumConfig():
            from robolearn.envs.adapters.gymnasium import GymnasiumSimulation

            return GymnasiumSimulation(cfg)
        case _:
            name = type(cfg).__name__
            raise ConfigError("env", expected="the config of a simulation", got=name, fix=nearest(name, KNOWN))


def make(task: str, render_mode: str | None = None, **fields: Any) -> RobotEnv:  # noqa: ANN401  (checked by the config)
    """Build `robolearn/<task>-v0` from fields of `<task>Config`.

    Raises:
        ConfigError: If a field is unknown or its value refused.
    """
    kinds = {kind.__name__: kind for kind in TASKS}
    return build_env(_config(kinds[f"{task}Config"], fields), render_mode)


def make_world(cfg: TaskConfig, task: SimTask, clock: Clock | None = None) -> World:
    """Return the world in which `task` takes place, in real time if a clock is given.

    Raises:
        ConfigError: If the robot is unknown.
    """
    arms = dict.fromkeys(task.stands, arm_model(cfg))
    return World(arms, task.scene, period_s=1.0 / cfg.rate_hz, placements=task.stands, clock=clock)


def make_task(cfg: TaskConfig) -> SimTask:
    """Return the task that the class of `cfg` selects.

    Raises:
        ConfigError: If there is none.
    """
    task = TASKS.get(type(cfg))
    if task is None:
        known = {kind.__name__ for kind in TASKS}
        name = type(cfg).__name__
        raise ConfigError("env", expected="the config of a task", got=name, fix=nearest(name, known))
    return task(cfg)


def make_action(cfg: TaskConfig, arms: Sequence[str], joints: int) -> ActionSpec:
    """Return what the actions of `cfg` mean: the same parts for each of `arms` with `joints`, one arm after another."""
    sizes = {ActionKind.YAW_DELTA: 1, ActionKind.JOINT_DELTA: joints, ActionKind.GRIPPER: 1}
    scales = {
        ActionKind.TRANSLATION_DELTA: cfg.translation_scale,
        ActionKind.JOINT_DELTA: cfg.joint_scale,
        ActionKind.GRIPPER: 1.0,
    }
    return ActionSpec(
        parts=tuple(
            ActionPart(
                arm=arm,
                kind=kind,
                size=sizes.get(kind, 3),
                frame=Frame.BASE if kind in sizes else Frame(cfg.frame),
                scale=scales.get(kind, cfg.rotation_scale),
            )
            for arm in arms
            for kind in ACTIONS[cfg.action]
        )
    )


def make_expert(env: gym.Env[Obs, Action], rng: np.random.Generator) -> Expert:
    """Return the scripted expert of the episode that `env` has just begun; it speaks the outermost coordinates.

    Raises:
        ConfigError: If the env is not from `build_env`, or nobody has written an expert for its task.
    """
    innermost = env.unwrapped
    transforms: list[ActionTransform[Any]] = []
    layer: gym.Env[Any, Any] = env
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, ActionTransform):
            transforms.insert(0, layer)
        layer = layer.env
    if isinstance(innermost, AdaptedEnv):
        inner = innermost.simulation.expert(rng)
    elif isinstance(innermost, RobotEnv) and isinstance(innermost.task, SimTask):
        inner = innermost.task.expert(innermost, rng)
    else:
        raise ConfigError("make_expert", expected="an env from build_env", got=type(innermost).__name__)
    return _OutwardExpert(inner, transforms) if transforms else inner


class _OutwardExpert:
    """An expert seen through action transforms, innermost first."""

    def __init__(self, inner: Expert, transforms: list[ActionTransform[Any]]) -> None:
        self._inner = inner
        self._transforms = transforms

    def act(self) -> Action:
        """Return the action (A,) in the coordinates of the outermost transform."""
        action = self._inner.act()
        for transform in self._transforms:
            outer = transform.outward(action, transform.context())
            action = cast("Action", np.clip(outer, -1.0, 1.0).astype(np.float32))
        return action


def arm_model(cfg: TaskConfig) -> ArmModel:
    """Return the arm that `cfg` names.

    Raises:
        ConfigError: If the robot is unknown.
    """
    robot = ROBOTS.get(cfg.robot)
    if robot is None:
        raise ConfigError("env.robot", expected="a known robot", got=f"'{cfg.robot}'", fix=nearest(cfg.robot, ROBOTS))
    return robot


def _config(kind: type[ConfigT], fields: Mapping[str, Any]) -> ConfigT:
    known = {field.name for field in dataclasses.fields(kind)}
    for name in fields.keys() - known:
        raise ConfigError(kind.__name__, expected="a known field", got=f"'{name}'", fix=nearest(name, known))
    return kind(**fields)


def _film(world: World) -> NDArray[np.uint8]:
    return world.render("film", FILM_SIZE, FILM_SIZE, "pretty")
