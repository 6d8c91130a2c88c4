"""Drawer: hook the closed fingers behind the handle of a small chest on the table, and pull its drawer open."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.geometry import Pose, Vector, quat_rotate
from robolearn.envs.config import TaskConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import Body, SceneBuilder
from robolearn.envs.tasks.base import ARM, SimTask, yaw_of
from robolearn.envs.tasks.expert import CartesianExpert, Goal
from robolearn.envs.tasks.layout import flat
from robolearn.envs.tasks.pick_cube import workspace
from robolearn.safety import SafetyLimits

CENTRE = (0.38, 0.0)
"""Middle of the rectangle in which the chest stands, m in the world."""
HALF = (0.075, 0.08, 0.0325)
"""Half the depth, width and height of the chest, m; its drawer opens along its x axis."""
BOARD = 0.005
"""Half the thickness of its boards, m."""
GAP = 0.056
"""Between the front of the drawer and the bar of its handle, m: room for the fingers at any angle."""
BAR = (0.006, 0.045, 0.008)
"""Half edges of the bar of the handle, m."""
HANDLE = (HALF[0] + BOARD + GAP + BAR[0], 0.0, 0.045)
"""Middle of that bar while the drawer is shut, m in the chest's frame, whose origin is on the table."""
TRAVEL = 0.14
"""How far the drawer opens, m."""
AJAR = 0.01
"""The drawer starts open by up to this, m."""
UP = np.array([0.0, 0.0, 1.0])
WOOD, FRONT, RED = (0.5, 0.33, 0.2), (0.88, 0.76, 0.56), (0.85, 0.16, 0.12)


@dataclass(kw_only=True, slots=True)
class DrawerConfig(TaskConfig):
    """Pull a drawer open."""

    symmetric: bool = True
    action: str = "xyz"
    max_steps: int = 50
    chest_range: float = 0.08
    """Edge of the square in which the chest stands, m."""
    yaw: float = 0.35
    """The chest is turned by up to this in either direction, rad."""
    opening: float = 0.1
    """How far the drawer must be pulled out, m."""
    safety: SafetyLimits = field(default_factory=workspace)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("chest_range", self.chest_range, 0.0, 0.12, "m")
        require_range("yaw", self.yaw, 0.0, 0.6, "rad")
        require_range("opening", self.opening, 2.0 * AJAR, 0.8 * TRAVEL, "m")


class Drawer(SimTask):
    """The drawer must be open by `opening`; the fingers start closed."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.3, "open": 0.5}
    fovy: ClassVar[float] = 35.0
    """Of the camera `front`, degrees."""

    def __init__(self, cfg: DrawerConfig) -> None:
        super().__init__(cfg)
        self._range, self._yaw, self._opening = cfg.chest_range, cfg.yaw, cfg.opening

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop(self.fovy)
        chest = scene.fixture("chest", (*CENTRE, 0.0))
        depth, width, height = HALF
        chest.shape([depth, width, BOARD], (0.0, 0.0, 2.0 * height - BOARD), colour=WOOD)
        chest.shape([depth, width, BOARD], (0.0, 0.0, BOARD), colour=WOOD)
        chest.shape([BOARD, width, height], (BOARD - depth, 0.0, height), colour=WOOD)
        for y in (BOARD - width, width - BOARD):
            chest.shape([depth, BOARD, height], (0.0, y, height), colour=WOOD)
        self._tray(
            chest.sliding("drawer", (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, TRAVEL), damping=8.0, frictionloss=3.0)
        )

    def _tray(self, drawer: Body) -> None:
        """Build the moving part: bottom, sides, front and handle; 3 mm clear of the boards of the chest."""
        depth, width, height = HALF[0] - BOARD, HALF[1] - 2.0 * BOARD - 0.003, HALF[2] - 2.0 * BOARD - 0.003
        drawer.shape([depth, width, 0.003], (0.0, 0.0, HALF[2] - height), colour=FRONT, mass=0.2)
        for y in (0.003 - width, width - 0.003):
            drawer.shape([depth, 0.003, 0.6 * height], (0.0, y, HALF[2] - 0.4 * height), colour=FRONT, mass=0.05)
        drawer.shape([BOARD, width, height], (HALF[0], 0.0, HALF[2]), colour=FRONT, mass=0.2)
        for y in (0.005 - BAR[1], BAR[1] - 0.005):
            drawer.shape(
                [0.5 * GAP, 0.005, 0.005], (HANDLE[0] - BAR[0] - 0.5 * GAP, y, HANDLE[2]), colour=RED, mass=0.02
            )
        drawer.shape(BAR, HANDLE, name="handle", colour=RED, mass=0.1, friction=0.4, slick=True)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        self.place_chest(rng)

    def place_chest(self, rng: np.random.Generator) -> Pose:
        """Put the chest somewhere, its drawer ajar, and return where."""
        x, y = np.array(CENTRE) + rng.uniform(-0.5, 0.5, 2) * self._range
        chest = flat(x, y, 0.0, rng.uniform(-self._yaw, self._yaw))
        self.world.place("chest", chest)
        self.world.set_joint("drawer", rng.uniform(0.0, AJAR))
        return chest

    @override
    def begin(self) -> None:
        self.arm.grip(0.0)

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        distance = math.dist(self.handle(), self.arm.tool().position)
        share = self.world.joint("drawer") / self._opening
        return share >= 1.0, {"reach": 1.0 - math.tanh(5.0 * distance), "open": min(max(share, 0.0), 1.0)}

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        yaw = self.heading()
        return {
            "handle_position": self.handle().tolist(),
            "drawer_heading": [math.sin(yaw), math.cos(yaw)],
            "drawer_opening": [self.world.joint("drawer")],
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> CartesianExpert:
        return DrawerExpert(env, self, rng)

    def handle(self) -> Vector:
        """Return where the middle of the handle's bar is (3,), m in the world."""
        drawer = self.world.pose("drawer")
        return drawer.position + quat_rotate(drawer.quat_wxyz, np.array(HANDLE))

    def heading(self) -> float:
        """Return the direction in which the drawer opens, rad from the world's x axis."""
        return yaw_of(self.world.pose("chest").quat_wxyz)


class HookExpert(CartesianExpert):
    """Comes down along a funnel into the gap behind the bar of the handle, and moves the drawer along its line from there."""

    HEIGHT = 0.005
    """Of the tool above the middle of the bar, m."""
    LEAD = 0.035
    """m by which it aims ahead of where the fingers touch the bar, or the front."""
    TOUCH = BAR[0] + 0.0105
    """Distance between tool and bar at which the fingers touch it, m."""

    def hook(self, task: "Drawer", *, pull: bool) -> Goal:
        """Return where to go next to pull the drawer open by its bar, or to push it shut by its front."""
        tool, yaw = task.arm.tool(), task.heading()
        ahead = np.array([math.cos(yaw), math.sin(yaw), 0.0])
        bar = task.handle() + self.HEIGHT * UP
        offset = tool.position - bar
        behind = float(-offset @ ahead)
        aside = float(np.linalg.norm(offset[:2] + behind * ahead[:2]))
        turn = self._turn(yaw, tool.quat_wxyz)
        if 0.0 < behind < BAR[0] + GAP and aside < 0.02 and abs(offset[2]) < 0.015:
            touch = self.LEAD - self.TOUCH if pull else -(BAR[0] + GAP) - self.LEAD + self.TOUCH - BAR[0]
            return Goal(bar + touch * ahead, turn, opening=0.0, speed=0.45)
        gap = bar - (BAR[0] + 0.5 * GAP) * ahead
        away = float(np.linalg.norm(gap[:2] - tool.position[:2]))
        return Goal(gap + min(4.0 * max(away - 0.004, 0.0), 0.12) * UP, turn, opening=0.0)

    def _turn(self, heading: float, tool_wxyz: Vector) -> float:
        """Return the shorter turn after which the fingers lie side by side along the bar, rad."""
        if not self.can_turn(ARM):
            return 0.0
        return math.remainder(heading - yaw_of(tool_wxyz) + 0.5 * math.pi, math.pi)


class DrawerExpert(HookExpert):
    """Pulls."""

    def __init__(self, env: RobotEnv, task: Drawer, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task

    @override
    def goals(self) -> Mapping[str, Goal]:
        return {ARM: self.hook(self._task, pull=True)}
