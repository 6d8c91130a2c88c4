"""What simulated tasks share: reset of world and arms, success and reward terms, observations of the state."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply
from robolearn.core.protocols import Event, Outcome, RobotDriver, StepContext, Task
from robolearn.core.types import STATE, Array
from robolearn.envs.config import TaskConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.model import Placement
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.sim.world import World
from robolearn.safety import SafetyLimits

if TYPE_CHECKING:
    from robolearn.envs.tasks.expert import Expert

ARM = "arm"
"""Name of the arm of a task with one."""
TOOL_DOWN = np.array([0.0, math.sqrt(0.5), math.sqrt(0.5), 0.0])
"""quat_wxyz of a tool that points down with its fingers opening along the world's y axis."""
TOOL_DOWN.setflags(write=False)


class SimTask(abc.ABC, Task):
    """A task on a table whose top is at z = 0 of the world; all poses here are in the world.

    A subclass adds its objects to the scene, places them at reset, and computes the terms of its reward.
    """

    stands: ClassVar[Mapping[str, Placement]] = {ARM: Placement()}
    """The arms that take part, and where their bases stand."""

    weights: ClassVar[Mapping[str, float]]
    """Share of each term in the dense reward; the terms are in [0, 1]."""

    def __init__(self, cfg: TaskConfig) -> None:
        self.cfg = cfg
        self._world: World | None = None
        self.arms: Mapping[str, SimArm] = {}
        """The simulated arms, without their supervisors."""

    @abc.abstractmethod
    def scene(self, scene: SceneBuilder) -> None:
        """Add the table, the cameras and the objects."""

    @abc.abstractmethod
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Put the objects where an episode starts."""

    @abc.abstractmethod
    def judge(self) -> tuple[bool, dict[str, float]]:
        """Return whether the task is solved, and the terms of the dense reward, in [0, 1]: all the keys of `weights`."""

    @abc.abstractmethod
    def privileged(self) -> dict[str, Sequence[float]]:
        """Return what only a simulation knows, by name."""

    @abc.abstractmethod
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "Expert":
        """Return a script that solves the episode that `env` has just begun."""

    def start_poses(self, rng: np.random.Generator) -> Mapping[str, Pose]:
        """Return a tool pose for each arm at which an episode starts."""
        return {name: near_middle(rng) for name in self.stands}

    def begin(self) -> None:
        """Do what comes after the arms are where they start, such as putting something into a hand."""

    def bind(self, world: World, arms: Mapping[str, SimArm]) -> None:
        """Take the world that was built from `scene`, and the arms in it."""
        self._world, self.arms = world, arms

    @property
    def world(self) -> World:
        """Return the bound world."""
        assert self._world is not None, "build_env binds the task"
        return self._world

    @property
    def arm(self) -> SimArm:
        """Return the arm of a task with one, without its supervisor."""
        return self.arms[ARM]

    @override
    def reset(self, arms: Mapping[str, RobotDriver], rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Begin an episode: the world as compiled, the objects placed, the arms at a random start.

        Raises:
            ConfigError: If an option is not known to the task.
        """
        self.check_options(options)
        self.world.reset()
        self.place(rng, options)
        self.world.refresh()
        for name, pose in self.start_poses(rng).items():
            arms[name].reset(self.arms[name].solve(pose))
        self.begin()

    @override
    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        del ctx
        success, terms = self.judge()
        signals = {event.name for event in events}
        success = success or "success" in signals
        failure = "failure" in signals and not success
        reward = float(success)
        if self.cfg.reward == "dense":
            reward += sum(weight * terms[name] for name, weight in self.weights.items())
        return Outcome(reward=reward, success=success, failure=failure, terminated=success or failure, terms=terms)

    @override
    def state(self) -> Mapping[str, Array]:
        if self.cfg.observation == "images":
            return {}
        return {STATE + name: np.array(value, np.float32) for name, value in self.privileged().items()}

    known_options: ClassVar[frozenset[str]] = frozenset()
    """What `reset(options=...)` understands."""

    def check_options(self, options: Mapping[str, object]) -> None:
        """Refuse unknown reset options by name; `reset_mask` belongs to vector envs.

        Raises:
            ConfigError: Naming the first unknown one.
        """
        for name in options.keys() - self.known_options - {"reset_mask"}:
            raise ConfigError("reset options", expected="a known one", got=name, fix=nearest(name, self.known_options))


def contact_limits(
    low: tuple[float, float, float] = (0.3, -0.25, 0.02), high: tuple[float, float, float] = (0.7, 0.25, 0.4)
) -> SafetyLimits:
    """Return limits for tasks in which a missed grasp is a touch and not the end: up to 300 N.

    The servos of the simulated arms are stiff, about 10 kN/m: a hand that comes down on a cube at 0.3 m/s meets 250 N for
    an instant. An arm under impedance control (2 kN/m in SERL, arXiv:2401.16013) would feel 50 N and yield. For
    simulated arms only: a real one keeps the 100 N of `SafetyLimits`.

    Args:
        low: Lower corner of the tool's workspace, m in base.
        high: Upper corner, m in base.
    """
    return SafetyLimits(workspace_low=low, workspace_high=high, position_error=0.08, wrench_max=(300.0, 30.0))


def yaw_of(quat_wxyz: Vector) -> float:
    """Return the heading of a frame's x axis about the outer z axis, rad."""
    w, x, y, z = quat_wxyz.tolist()
    return math.atan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (y * y + z * z))


def turned_down(yaw: float) -> Vector:
    """Return quat_wxyz of a tool that points down, turned by `yaw` about the world's z axis."""
    return quat_multiply(quat_from_rotvec(np.array([0.0, 0.0, yaw])), TOOL_DOWN)


def near_middle(rng: np.random.Generator) -> Pose:
    """Return a random tool pose above the middle of the table, pointing down."""
    offset = rng.uniform(-1.0, 1.0, 3) * (0.05, 0.05, 0.03)
    return Pose(np.array([0.46, 0.0, 0.2]) + offset, turned_down(rng.uniform(-0.2, 0.2)))
