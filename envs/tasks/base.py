"""What simulated tasks share: a table with lights and a camera, the start of the arm, reward terms, an expert."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import mujoco
import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError, nearest
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply
from robolearn.core.protocols import Event, Outcome, RobotDriver, StepContext, Task
from robolearn.core.robot import CommandMode, RobotState
from robolearn.core.types import STATE, Action, Array
from robolearn.envs.action import ActionCodec, SetPoint
from robolearn.envs.config import EnvConfig
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.world import World

ARM = "arm"
TOOL_DOWN = np.array([0.0, math.sqrt(0.5), math.sqrt(0.5), 0.0])
"""quat_wxyz of a tool that points down with its fingers opening along the base's y axis."""
TOOL_DOWN.setflags(write=False)
TOUCHES_ALL = {"contype": 2, "conaffinity": 3}
"""Collision bits of a loose object: it meets the hand, the table and other objects."""


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
    def scene(self, spec: mujoco.MjSpec) -> None:
        """Add table, lights, cameras and objects; see `tabletop`."""

    @abc.abstractmethod
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Put the objects where an episode starts."""

    @abc.abstractmethod
    def terms(self, state: RobotState) -> dict[str, float]:
        """Return the terms of the dense reward after a step, each in [0, 1]; all the keys of `weights`."""

    @abc.abstractmethod
    def success(self, state: RobotState) -> bool:
        """Return whether the task is solved."""

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
        arms[ARM].reset(self.arm.kinematics.solve(self.start_pose(rng)))

    @override
    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        state = ctx.states[ARM]
        terms = self.terms(state)
        success = self.success(state) or any(event.name == "success" for event in events)
        failure = any(event.name == "failure" for event in events) and not success
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

    def __init__(self, env: RobotEnv, arm: SimArm, rng: np.random.Generator) -> None:
        self._env = env
        self._arm = arm
        self._codec = ActionCodec(env.env_spec.action, {ARM: arm.spec})
        self._full = float(rng.uniform(0.75, 1.0))
        self._pace = 0.0

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
        quat_wxyz = quat_multiply(quat_from_rotvec(np.array([0.0, 0.0, angle])), reference.target[3:])
        target = np.concatenate([reference.target[:3] + step, quat_wxyz])
        wanted = SetPoint(mode=CommandMode.POSE, target=target, gripper=opening)
        return np.clip(self._codec.encode({ARM: wanted}, {ARM: reference}), -1.0, 1.0).astype(np.float32)

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


def tabletop(spec: mujoco.MjSpec) -> None:
    """Add a table with its top at z = 0, a floor, lights, a sky, and the `front` camera."""
    world = spec.worldbody
    sky = spec.add_texture(name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=64, height=384)
    sky.builtin = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT
    sky.rgb1, sky.rgb2 = [0.86, 0.9, 0.95], [0.55, 0.63, 0.75]
    box, plane = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_PLANE
    quiet = {"contype": 0, "conaffinity": 0}
    world.add_geom(name="table", type=plane, size=[0.8, 0.8, 0.1], group=3, contype=0, conaffinity=3)
    world.add_geom(
        name="table_top",
        type=box,
        pos=[0.35, 0, -0.02],
        size=[0.55, 0.6, 0.02],
        rgba=[0.42, 0.5, 0.56, 1],
        group=1,
        **quiet,
    )
    world.add_geom(
        name="floor", type=plane, pos=[0, 0, -0.75], size=[4, 4, 0.1], rgba=[0.8, 0.79, 0.76, 1], group=2, **quiet
    )
    for x in (-0.1, 0.8):
        for y in (-0.5, 0.5):
            world.add_geom(
                type=box, pos=[x, y, -0.395], size=[0.03, 0.03, 0.355], rgba=[0.3, 0.32, 0.35, 1], group=2, **quiet
            )
    world.add_light(
        name="key",
        pos=[0.9, 0.8, 1.6],
        dir=[-0.35, -0.5, -0.9],
        castshadow=True,
        diffuse=[0.5] * 3,
        specular=[0.2] * 3,
        ambient=[0.0] * 3,
        **_directional(),
    )
    world.add_light(
        name="fill",
        pos=[0.8, -1.0, 1.4],
        dir=[-0.5, 0.6, -0.6],
        castshadow=False,
        diffuse=[0.3] * 3,
        specular=[0.0] * 3,
        ambient=[0.38] * 3,
        **_directional(),
    )
    spec.stat.center, spec.stat.extent = [0.3, 0.0, 0.3], 0.8
    look_at(spec, "front", position=(0.98, 0.0, 0.56), target=(0.485, 0.0, 0.095), fovy=35.0)
    look_at(spec, "film", position=(1.35, -0.95, 0.75), target=(0.27, 0.0, 0.27), fovy=40.0)


def look_at(
    spec: mujoco.MjSpec,
    name: str,
    position: tuple[float, float, float],
    target: tuple[float, float, float],
    fovy: float,
) -> None:
    """Add a camera at `position` (m) that looks at `target`, upright; `fovy` in degrees."""
    backwards = np.array(position) - np.array(target)
    right = np.cross([0.0, 0.0, 1.0], backwards)
    up = np.cross(backwards, right)
    axes = [axis / np.linalg.norm(axis) for axis in (right, up, backwards)]
    quat_wxyz = np.zeros(4)
    mujoco.mju_mat2Quat(quat_wxyz, np.stack(axes, axis=1).ravel())
    spec.worldbody.add_camera(name=name, pos=list(position), quat=quat_wxyz.tolist(), fovy=fovy)


def _directional() -> dict[str, object]:
    """Return how this version of MuJoCo spells a directional light."""
    if hasattr(mujoco, "mjtLightType"):
        return {"type": mujoco.mjtLightType.mjLIGHT_DIRECTIONAL}
    return {"directional": True}
