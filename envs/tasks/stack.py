"""Stack: put a red cube on a green one; both lie anywhere on the table, some way apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Vector
from robolearn.envs.config import TaskConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, SimTask, contact_limits
from robolearn.envs.tasks.expert import Goal
from robolearn.envs.tasks.grasp import CarryExpert, held, released
from robolearn.envs.tasks.layout import flat, pair, symmetric_yaw
from robolearn.safety import SafetyLimits

CENTRE = (0.48, 0.0)
"""Middle of the square in which the point midway between the cubes lies, m."""
HALF = 0.0225
"""Half an edge of both cubes, m."""
APART = (0.1, 0.18)
"""Least and largest distance between the cubes, m: open fingers find room between them at any yaw."""
LEVEL = 0.004
"""A cube lies on what is this much more or less than a cube's edge below it, m."""
STILL = 0.05
"""What moves slower than this is at rest, m/s."""
RED, GREEN = (0.85, 0.16, 0.12), (0.1, 0.6, 0.25)


@dataclass(kw_only=True, slots=True)
class StackConfig(TaskConfig):
    """Put a cube on another."""

    symmetric: bool = True
    max_steps: int = 60
    translation_scale: float = 0.025
    """m per step at |action| = 1."""
    middle_range: float = 0.1
    """Edge of the square in which the point midway between the cubes lies, m; they are 10 to 18 cm apart."""
    yaw: float = math.pi
    """The cubes start turned by up to this in either direction, rad."""
    tolerance: float = 0.02
    """How far the upper cube may be off the lower one's middle, m."""
    safety: SafetyLimits = field(default_factory=contact_limits)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("middle_range", self.middle_range, 0.0, 0.14, "m")
        require_range("yaw", self.yaw, 0.0, math.pi, "rad")
        require_range("tolerance", self.tolerance, 0.01, HALF, "m")
        if not self.action.endswith("gripper"):
            raise ConfigError("env.action", expected="an action with a gripper", got=self.action)


class Stack(SimTask):
    """The red cube must lie on the green one, at rest, which lies on the table; no finger may touch the red one."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.1, "grasp": 0.2, "carry": 0.3, "stacked": 0.2}

    def __init__(self, cfg: StackConfig) -> None:
        super().__init__(cfg)
        self.tolerance = cfg.tolerance
        self._range, self._yaw = cfg.middle_range, cfg.yaw

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop()
        for name, side, colour in (("cube", -1.0, RED), ("base", 1.0, GREEN)):
            body = scene.loose(name, (CENTRE[0], CENTRE[1] + 0.07 * side, HALF))
            body.shape([HALF] * 3, name=name, mass=0.2, colour=colour)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        for name, (x, y) in zip(("cube", "base"), pair(rng, CENTRE, self._range, APART), strict=True):
            self.world.place(name, flat(x, y, HALF, rng.uniform(-self._yaw, self._yaw)))

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        world, stacked = self.world, self.stacked()
        cube = world.pose("cube").position
        terms = {
            "reach": 1.0 - math.tanh(5.0 * math.dist(cube, self.arm.tool().position)),
            "grasp": float(stacked or held(world, "cube")),
            "carry": 1.0 if stacked else 1.0 - math.tanh(5.0 * math.dist(cube, self.spot())),
            "stacked": float(stacked),
        }
        return stacked and released(world, "cube") and max(world.speed("cube"), world.speed("base")) < STILL, terms

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        state: dict[str, Sequence[float]] = {}
        for name in ("cube", "base"):
            pose = self.world.pose(name)
            state[f"{name}_position"] = pose.position.tolist()
            state[f"{name}_quat_wxyz"] = pose.quat_wxyz.tolist()
            state[f"{name}_symmetric_yaw"] = symmetric_yaw(pose)
        return state

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "StackExpert":
        return StackExpert(env, self, rng)

    def spot(self) -> Vector:
        """Return where the middle of the red cube is when it lies in the middle of the green one (3,), m."""
        return self.world.pose("base").position + np.array([0.0, 0.0, 2.0 * HALF])

    def stacked(self) -> bool:
        """Return whether the red cube is on the green one, within the tolerance, and that on the table."""
        x, y, above = (self.world.pose("cube").position - self.spot()).tolist()
        on_top = math.hypot(x, y) < self.tolerance and abs(above) < LEVEL and self.world.touching("cube", "base")
        return on_top and self.world.touching("base", "table")


class StackExpert(CarryExpert):
    """Grasps the red cube, carries it over the green one, sets it down, and lets go."""

    LOW = 0.003
    """A cube that is at most this far above the other is let go, m."""
    PRESS = 0.002
    """How far below where it can get it is sent to, m: what lies does not drop."""
    NEAR = 0.7
    """And at most this share of the tolerance off its middle."""

    def __init__(self, env: RobotEnv, task: Stack, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task
        self._near = self.NEAR * task.tolerance

    @override
    def goals(self) -> Mapping[str, Goal]:
        world = self._task.world
        cube, spot = world.pose("cube"), self._task.spot() - np.array([0.0, 0.0, self.PRESS])
        x, y, above = (cube.position - spot).tolist()
        if math.hypot(x, y) < self._near and above - self.PRESS < self.LOW:
            return {ARM: self.let_go(cube, spot, released(world, "cube"))}
        return {ARM: self.grasp(cube, held(world, "cube")) or self.bring(cube, spot, clear=0.08, near=self._near)}
