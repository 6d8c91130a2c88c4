"""Composition of what is elsewhere: a task simulated in real time for a robot server, and an env over arms and cameras behind one."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gymnasium as gym

from robolearn.core.clock import WallClock
from robolearn.core.protocols import CameraDriver, Clock, RobotDriver, Task
from robolearn.core.types import Action, Obs
from robolearn.envs.build import arm_model, make_action, make_task, make_world
from robolearn.envs.config import TaskConfig
from robolearn.envs.dress import wrapped
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.camera import SimCamera
from robolearn.envs.sim.twin import TwinScene
from robolearn.safety import SupervisedRobot


@dataclass(kw_only=True, slots=True, frozen=True)
class Twin:
    """A task that is simulated in real time, in the parts that a robot server owns."""

    arms: dict[str, SupervisedRobot]
    cameras: dict[str, CameraDriver]
    clock: WallClock
    scene: TwinScene


def make_twin(cfg: TaskConfig, camera_hz: float, now_ns: Callable[[], int] = time.monotonic_ns) -> Twin:
    """Return a task that is simulated in real time, whose cameras take pictures at `camera_hz`.

    Args:
        cfg: The task.
        camera_hz: Pictures per s.
        now_ns: Real time, unless a test has another one.

    Raises:
        ConfigError: If the configuration does not fit together.
    """
    clock, task = WallClock(1.0 / cfg.rate_hz, now_ns), make_task(cfg)
    world = make_world(cfg, task, clock)
    drivers = {name: SimArm(world, name) for name in task.stands}
    task.bind(world, drivers)
    arms = {name: SupervisedRobot(driver, cfg.safety, clock) for name, driver in drivers.items()}
    size = cfg.image_size
    cameras: dict[str, CameraDriver] = {
        name: SimCamera(world, name, size, size, rate_hz=camera_hz)
        for name in (() if cfg.observation == "state" else cfg.cameras)
    }
    return Twin(arms=arms, cameras=cameras, clock=clock, scene=TwinScene(task, clock))


def remote_env(
    cfg: TaskConfig,
    arms: Mapping[str, RobotDriver],
    cameras: Mapping[str, CameraDriver],
    task: Task,
    clock: Clock,
    *,
    max_frame_age_s: float,
    stale_frames: str,
    align: bool,
) -> gym.Env[Obs, Action]:
    """Build the env that `cfg` describes over arms and cameras that are elsewhere, with its wrappers around it; the rest is as of `RobotEnv`.

    Raises:
        ConfigError: If the configuration does not fit together.
    """
    robot = arm_model(cfg)
    env = RobotEnv(
        arms=arms,
        cameras=cameras,
        task=task,
        action=make_action(cfg, tuple(arms), len(robot.joints)),
        clock=clock,
        max_steps=cfg.max_steps,
        proprio=robot.proprio if cfg.proprio is None else cfg.proprio,
        max_frame_age_s=max_frame_age_s,
        stale_frames=stale_frames,
        align=align,
    )
    try:
        return wrapped(env, cfg)
    except BaseException:
        env.close()
        raise
