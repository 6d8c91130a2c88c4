"""What simulated tasks share: reset of world and arm, success and reward terms, an expert that steers the tool."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply
from robolearn.core.protocols import Event, Outcome, RobotDriver, StepContext, Task
from robolearn.core.robot import CommandMode, RobotState
from robolearn.core.specs import ActionKind
from robolearn.core.types import STATE, Action, Array
from robolearn.envs.action import ActionCodec, SetPoint
from robolearn.envs.config import EnvConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.sim.world import World

ARM = "arm"
TOOL_DOWN = np.array([0.0, math.sqrt(0.5), math.sqrt(0.5), 0.0])
"""quat_wxyz of a tool that points down with its fingers opening along the base's y axis."""
TOOL_DOWN.setflags(write=False)


class SimTask(abc.ABC, Task):
    """A task on a table, with the arm's base at the origin and the table's top at z = 0.

    A subclass adds its objects to the scene, places them at reset, and computes the terms of its reward.
    """

    weights: ClassVar[Mapping[str, float]]
    """Share of each term in the dense reward; the terms are in [0, 1]."""

    def __init__(self, cfg: EnvConfig) -> None:
        self.cfg = cfg
        self._world: World | None = None
        self._arm: SimArm | None = None

    @abc.abstractmethod
    def scene(self, scene: SceneBuilder) -> None:
        """Add the table, the cameras and the objects."""

    @abc.abstractmethod
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Put the objects where an episode starts."""

    @abc.abstractmethod
    def judge(self, state: RobotState) -> tuple[bool, dict[str, float]]:
        """Return whether the task is solved, and the terms of the dense reward, in [0, 1]: all the keys of `weights`."""

    @abc.abstractmethod
    def privileged(self) -> dict[str, Sequence[float]]:
        """Return what only a simulation knows, by name."""

    @abc.abstractmethod
    def start_pose(self, rng: np.random.Generator) -> Pose:
        """Return a tool pose in base at which an episode starts."""

    @abc.abstractmethod
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "Expert":
        """Return a script that solves the episode that `env` has just begun."""

    def bind(self, world: World, arm: SimArm) -> None:
        """Take the world that was built from `scene`, and the arm in it."""
        self._world, self._arm = world, arm

    @property
    def world(self) -> World:
        """Return the bound world."""
        assert self._world is not None, "build_env binds the task"
        return self._world

    @property
    def arm(self) -> SimArm:
        """Return the bound arm, without its supervisor."""
        assert self._arm is not None, "build_env binds the task"
        return self._arm

    @override
    def reset(self, arms: Mapping[str, RobotDriver], rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Begin an episode: the world as compiled, the objects placed, the arm at a random start.

        Raises:
            ConfigError: If an option is not known to the task.
        """
        self.check_options(options)
        self.world.reset()
        self.place(rng, options)
        self.world.refresh()
        arms[ARM].reset(self.arm.kinematics.solve(self.start_pose(rng)))

    @override
    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        success, terms = self.judge(ctx.states[ARM])
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


class Expert(Protocol):
    """Knows what to do next in the env that it watches."""

    def act(self) -> Action:
        """Return the action (A,) for the current state."""
        ...


class CartesianExpert(abc.ABC):
    """Steers the tool to a goal that depends on the present state only, at a smooth and slightly random speed."""

    GAIN = 0.6
    """Share of the remaining way taken in one step, near the goal."""
    PICKUP = 0.35
    """Growth of the speed from step to step, as a share of full speed."""
    TREMOR = 0.15
    """Standard deviation of the noise on every motion part of an action, of full scale. A hand is not steady either, and
    demonstrations that show how to get back on the way are worth several that never leave it (arXiv:1703.09327)."""

    def __init__(self, env: RobotEnv, arm: SimArm, rng: np.random.Generator) -> None:
        self._env = env
        self._arm = arm
        self._codec = ActionCodec(env.env_spec.action, {ARM: arm.spec})
        self._full = float(rng.uniform(0.75, 1.0))
        self._pace = 0.0
        self._rng = rng
        self._tremor = np.concatenate(
            [np.full(p.size, 0.0 if p.kind is ActionKind.GRIPPER else self.TREMOR) for p in env.env_spec.action.parts]
        )

    @abc.abstractmethod
    def goal(self, state: RobotState) -> tuple[Vector, float, float]:
        """Return where to go next: position (3,) m in base, turn about base z still to make in rad, gripper opening."""

    def act(self) -> Action:
        """Return the action (A,) that takes one step towards the goal."""
        position, turn, opening = self.goal(self._arm.state())
        reference = self._env.setpoints[ARM]
        way = position - reference.target[:3]
        scales = {part.kind.value: part.scale for part in self._codec.spec.parts}
        self._pace = min(self._full, self._pace + self.PICKUP)
        longest = self._pace * scales["translation_delta"]
        length = float(np.linalg.norm(way))
        step = way * min(self.GAIN, longest / length) if length > 1e-9 else way
        angle_scale = scales.get("yaw_delta", scales.get("rotation_delta", 0.0))
        angle = float(np.clip(self.GAIN * turn, -self._full * angle_scale, self._full * angle_scale))
        upright = turned_down(yaw_of(reference.target[3:]) - yaw_of(TOOL_DOWN) + angle)
        target = np.concatenate([reference.target[:3] + step, upright])
        wanted = SetPoint(mode=CommandMode.POSE, target=target, gripper=opening)
        action = self._codec.encode({ARM: wanted}, {ARM: reference})
        action += self._tremor * self._rng.standard_normal(len(action))
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def can_turn(self) -> bool:
        """Return whether the action has a part that turns the tool."""
        return any(part.kind.value in ("yaw_delta", "rotation_delta") for part in self._codec.spec.parts)


def yaw_of(quat_wxyz: Vector) -> float:
    """Return the heading of a frame's x axis about the outer z axis, rad."""
    w, x, y, z = quat_wxyz.tolist()
    return math.atan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (y * y + z * z))


def turned_down(yaw: float) -> Vector:
    """Return quat_wxyz of a tool that points down, turned by `yaw` about the base's z axis."""
    return quat_multiply(quat_from_rotvec(np.array([0.0, 0.0, yaw])), TOOL_DOWN)


def near_middle(rng: np.random.Generator) -> Pose:
    """Return a random tool pose above the middle of the table, pointing down."""
    offset = rng.uniform(-1.0, 1.0, 3) * (0.05, 0.05, 0.03)
    return Pose(np.array([0.46, 0.0, 0.2]) + offset, turned_down(rng.uniform(-0.2, 0.2)))
