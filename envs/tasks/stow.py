"""Stow: open a drawer, put a cube into it, and shut it: three subgoals in a row, each of which the next one needs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.geometry import Pose, Vector, quat_rotate
from robolearn.core.types import SUBGOAL
from robolearn.envs.config import require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, contact_limits
from robolearn.envs.tasks.drawer import BOARD, HALF, TRAVEL, UP, Drawer, DrawerConfig, HookExpert
from robolearn.envs.tasks.expert import Goal
from robolearn.envs.tasks.grasp import CarryExpert, held, released
from robolearn.envs.tasks.layout import flat, symmetric_yaw
from robolearn.safety import SafetyLimits

CUBE = 0.015
"""Half an edge of the cube, m: it fits under the top of the chest."""
TRAY_FLOOR = 0.016
"""Height of the drawer's floor above the table, m."""
SPOT = 0.014
"""Where the cube's middle is to lie, m ahead of the drawer's origin: the middle of what is open at `opening`."""
SHUT = 0.015
"""A drawer that is open by less than this is shut, m."""
BESIDE = (0.16, 0.19)
"""Least and largest distance of the cube from the chest's middle line, m."""
AHEAD = (0.12, 0.17)
"""And ahead of the chest's middle: a hand that comes down for it clears the top of the chest."""
RED = (0.16, 0.35, 0.85)


@dataclass(kw_only=True, slots=True)
class StowConfig(DrawerConfig):
    """Put a cube away."""

    action: str = "xyz_yaw_gripper"
    max_steps: int = 220
    image_size: int = 96
    yaw: float = 0.2
    cube_yaw: float = math.pi
    """The cube starts turned by up to this in either direction, rad."""
    opening: float = 0.11
    """How far the drawer must be pulled out before the cube goes in, m."""
    safety: SafetyLimits = field(default_factory=contact_limits)

    def __post_init__(self) -> None:
        DrawerConfig.__post_init__(self)
        require_range("cube_yaw", self.cube_yaw, 0.0, math.pi, "rad")


class Stow(Drawer):
    """The cube must lie in the drawer, and the drawer must be shut."""

    weights: ClassVar[Mapping[str, float]] = {
        **{"pull": 0.1, "carry": 0.2, "push": 0.2},
        **{SUBGOAL + name: 0.1 for name in ("open", "inside", "shut")},
    }
    fovy: ClassVar[float] = 45.0

    def __init__(self, cfg: StowConfig) -> None:
        super().__init__(cfg)
        self._cube_yaw = cfg.cube_yaw
        self.opening = cfg.opening

    @override
    def scene(self, scene: SceneBuilder) -> None:
        super().scene(scene)
        scene.loose("cube", (0.5, 0.2, CUBE)).shape([CUBE] * 3, name="cube", mass=0.1, colour=RED)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        chest = self.place_chest(rng)
        side = math.copysign(rng.uniform(*BESIDE), rng.uniform(-1.0, 1.0))
        x, y, _ = (chest.position + quat_rotate(chest.quat_wxyz, np.array([rng.uniform(*AHEAD), side, 0.0]))).tolist()
        self.world.place("cube", flat(x, y, CUBE, rng.uniform(-self._cube_yaw, self._cube_yaw)))

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        inside = self.inside() and released(self.world, "cube")
        open_by, away = self.world.joint("drawer"), math.dist(self.world.pose("cube").position, self.spot())
        solved = inside and open_by < SHUT
        terms = {
            "pull": 1.0 if inside else min(max(open_by / self.opening, 0.0), 1.0),
            "carry": 1.0 if inside else 1.0 - math.tanh(5.0 * away),
            "push": 1.0 - min(open_by / TRAVEL, 1.0) if inside else 0.0,
            SUBGOAL + "open": float(inside or open_by >= self.opening),
            SUBGOAL + "inside": float(inside),
            SUBGOAL + "shut": float(solved),
        }
        return solved, terms

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        cube = self.world.pose("cube")
        return {
            **super().privileged(),
            "cube_position": cube.position.tolist(),
            "cube_quat_wxyz": cube.quat_wxyz.tolist(),
            "cube_symmetric_yaw": symmetric_yaw(cube),
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "StowExpert":
        return StowExpert(env, self, rng)

    def spot(self) -> Vector:
        """Return where the middle of the cube is to come to rest in the drawer (3,), m in the world."""
        drawer = self.world.pose("drawer")
        return drawer.position + quat_rotate(drawer.quat_wxyz, np.array([SPOT, 0.0, TRAY_FLOOR + CUBE]))

    def inside(self) -> bool:
        """Return whether the cube lies between the drawer's boards."""
        drawer, cube = self.world.pose("drawer"), self.world.pose("cube")
        x, y, z = (drawer.inverse() @ cube).position.tolist()
        return abs(x) < HALF[0] and abs(y) < HALF[1] - 2.0 * BOARD and z < TRAY_FLOOR + 1.5 * CUBE


class StowExpert(CarryExpert, HookExpert):
    """Pulls the drawer, fetches the cube, and pushes the drawer, each from wherever the hand is."""

    CLOSED_M = 0.013
    GRIP = 0.009
    """Height of the tool above the middle of a held cube, m: fingertips reach 15 mm below the tool."""
    CLEAR = 0.12
    """Height of the tool above the table at which it passes over everything, m."""
    NEAR = 0.012
    RELEASE_M = 0.05
    """How far the fingers open in the drawer, m."""
    MARGIN = 0.012
    """The drawer is pulled further than need be by this, and pushed until it can be no more, m."""

    def __init__(self, env: RobotEnv, task: Stow, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task
        self._pulling = True

    @override
    def goals(self) -> Mapping[str, Goal]:
        task, world = self._task, self._task.world
        if task.inside() and released(world, "cube"):
            return {ARM: self._above(world.pose("cube").position, 0.03) or self.hook(task, pull=False)}
        open_by = world.joint("drawer")
        self._pulling = open_by < task.opening + (self.MARGIN if self._pulling else -self.MARGIN)
        if self._pulling and not held(world, "cube"):
            return {ARM: self.hook(task, pull=True)}
        return {ARM: self._fetch()}

    def _fetch(self) -> Goal:
        """Return where to go next to bring the cube into the open drawer."""
        world, arm = self._task.world, self._arms[ARM]
        cube, spot, tool = world.pose("cube"), self._task.spot(), arm.tool().position
        x, y, z = (cube.position - spot).tolist()
        if math.hypot(x, y) < self.NEAR and z < 0.006:
            way = spot - cube.position
            return Goal(tool + way, opening=arm.opening_at(self.RELEASE_M))
        grip = Pose(cube.position + self.GRIP * UP, cube.quat_wxyz)
        away = float(np.linalg.norm(grip.position[:2] - tool[:2]))
        if not held(world, "cube") and away > 0.05 and tool[2] < self.CLEAR - 0.02:
            return Goal(tool + np.array([0.0, 0.0, self.CLEAR - tool[2]]))
        return self.grasp(grip, held(world, "cube")) or self.bring(cube, spot, clear=0.1, near=self.NEAR)

    def _above(self, place: Vector, radius: float) -> Goal | None:
        """Return where to go to leave a place upwards, or None once the tool is above it or away from it."""
        tool = self._arms[ARM].tool().position
        near = float(np.linalg.norm(tool[:2] - place[:2])) < radius
        if not near or tool[2] > self.CLEAR - 0.02:
            return None
        opening = self._arms[ARM].opening_at(self.RELEASE_M)
        return Goal(tool + np.array([0.0, 0.0, self.CLEAR - tool[2]]), opening=opening)
