"""Place: put a cube that lies anywhere on the table into an open bin that stands anywhere beside it."""

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
from robolearn.envs.tasks.walls import add_walls
from robolearn.safety import SafetyLimits

CENTRE = (0.48, 0.0)
"""Middle of the square in which the point midway between cube and bin lies, m."""
HALF = 0.0225
"""Half an edge of the cube, m."""
INNER, OUTER = 0.06, 0.066
"""Half the inner and the outer edge of the bin, m: opening fingers, 51 mm from the tool at most, fit in at any yaw."""
FLOOR, RIM = 0.004, 0.035
"""Heights of the bin's floor and rim above the table, m."""
APART = (0.15, 0.19)
"""Least and largest distance between cube and bin, m: open fingers find room between them at any yaw."""
STILL = 0.05
"""What moves slower than this is at rest, m/s."""
RED, GREEN, CREAM = (0.85, 0.16, 0.12), (0.1, 0.5, 0.25), (0.93, 0.9, 0.8)


@dataclass(kw_only=True, slots=True)
class PlaceConfig(TaskConfig):
    """Put a cube into a bin."""

    symmetric: bool = True
    max_steps: int = 60
    translation_scale: float = 0.03
    """m per step at |action| = 1."""
    middle_range: float = 0.08
    """Edge of the square in which the point midway between cube and bin lies, m; they are 15 to 19 cm apart."""
    yaw: float = math.pi
    """The cube starts turned by up to this in either direction, rad."""
    safety: SafetyLimits = field(default_factory=contact_limits)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("middle_range", self.middle_range, 0.0, 0.12, "m")
        require_range("yaw", self.yaw, 0.0, math.pi, "rad")
        if not self.action.endswith("gripper"):
            raise ConfigError("env.action", expected="an action with a gripper", got=self.action)


class Place(SimTask):
    """The cube must lie on the bin's floor, at rest, and no finger may touch it."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.1, "grasp": 0.2, "carry": 0.3, "inside": 0.2}

    def __init__(self, cfg: PlaceConfig) -> None:
        super().__init__(cfg)
        self._range, self._yaw = cfg.middle_range, cfg.yaw

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop()
        box = scene.fixture("bin", (CENTRE[0], CENTRE[1] + 0.1, 0.0))
        add_walls(box, (INNER, OUTER), (0.0, RIM), colour=GREEN)
        box.shape((INNER, INNER, 0.5 * FLOOR), (0.0, 0.0, 0.5 * FLOOR), name="bin_floor", colour=CREAM)
        scene.loose("cube", (CENTRE[0], CENTRE[1] - 0.1, HALF)).shape([HALF] * 3, name="cube", mass=0.2, colour=RED)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        (x, y), box = pair(rng, CENTRE, self._range, APART)
        self.world.place("cube", flat(x, y, HALF, rng.uniform(-self._yaw, self._yaw)))
        self.world.place("bin", flat(box[0], box[1], 0.0, 0.0))

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        world, inside = self.world, self.inside()
        tool, cube, spot = self.arm.tool().position, world.pose("cube").position, self.spot()
        terms = {
            "reach": 1.0 - math.tanh(5.0 * math.dist(cube, tool)),
            "grasp": float(inside or held(world, "cube")),
            "carry": 1.0 if inside else 1.0 - math.tanh(5.0 * math.dist(cube, spot)),
            "inside": float(inside),
        }
        lies = world.touching("cube", "bin_floor") and released(world, "cube") and world.speed("cube") < STILL
        return inside and lies, terms

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        pose = self.world.pose("cube")
        return {
            "cube_position": pose.position.tolist(),
            "cube_quat_wxyz": pose.quat_wxyz.tolist(),
            "cube_symmetric_yaw": symmetric_yaw(pose),
            "bin_position": self.world.pose("bin").position.tolist(),
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "PlaceExpert":
        return PlaceExpert(env, self, rng)

    def spot(self) -> Vector:
        """Return where the middle of the cube is when it lies in the middle of the bin (3,), m."""
        return self.world.pose("bin").position + np.array([0.0, 0.0, FLOOR + HALF])

    def inside(self) -> bool:
        """Return whether the middle of the cube is between the bin's walls and below their rim."""
        x, y, z = (self.world.pose("cube").position - self.world.pose("bin").position).tolist()
        return max(abs(x), abs(y)) < INNER and z < RIM


class PlaceExpert(CarryExpert):
    """Grasps the cube, carries it over the rim, sets it down, and lets go."""

    LOW = 0.004
    """A cube that is at most this far above the bin's floor is let go, m."""
    PRESS = 0.002
    """How far below where it can get it is sent to, m: what lies does not drop."""
    NEAR = 0.025
    """And at most this far from the bin's middle."""

    def __init__(self, env: RobotEnv, task: Place, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task

    @override
    def goals(self) -> Mapping[str, Goal]:
        world = self._task.world
        cube, spot = world.pose("cube"), self._task.spot() - np.array([0.0, 0.0, self.PRESS])
        x, y, above = (cube.position - spot).tolist()
        if math.hypot(x, y) < self.NEAR and above - self.PRESS < self.LOW:
            return {ARM: self.let_go(cube, spot, released(world, "cube"))}
        return {ARM: self.grasp(cube, held(world, "cube")) or self.bring(cube, spot, clear=0.1, near=self.NEAR)}
