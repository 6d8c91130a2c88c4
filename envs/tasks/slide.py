"""Slide: strike a puck so that it glides to a goal that the arm may not reach."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose, Vector
from robolearn.envs.config import TaskConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, TOOL_DOWN, SimTask, turned_down, yaw_of
from robolearn.envs.tasks.expert import CartesianExpert, Goal
from robolearn.envs.tasks.layout import flat
from robolearn.safety import SafetyLimits

RADIUS = 0.035
"""Of the puck, m."""
HALF_HEIGHT = 0.015
"""Of the puck, m."""
MASS = 0.1
"""Of the puck, kg."""
DRAG = 0.25
"""Of the puck, N s/m; nothing else slows it down."""
GLIDE = MASS / DRAG
"""Struck at v m/s, the puck comes to rest after GLIDE * v metres."""
LINE = 0.52
"""x that the tool may not cross, m in base."""
PUCK = (0.43, 0.0)
"""Middle of the square in which the puck starts, m in the world."""
GOAL = (0.66, 0.0)
"""Middle of the square in which the goal lies, m in the world; fingers that stay behind the line cannot bring the puck there."""
REST = 0.01
"""A puck slower than this has come to rest, m/s."""


def behind_line() -> SafetyLimits:
    """Return the limits of table-top work on the near side of the line."""
    return SafetyLimits(workspace_low=(0.28, -0.25, 0.02), workspace_high=(LINE, 0.25, 0.4), position_error=0.08)


@dataclass(kw_only=True, slots=True)
class SlideConfig(TaskConfig):
    """Slide a puck to a goal out of reach."""

    symmetric: bool = True
    action: str = "xyz_yaw"
    translation_scale: float = 0.05
    max_steps: int = 40
    puck_range: float = 0.08
    """Edge of the square in which the puck starts, m."""
    goal_range: float = 0.1
    """Edge of the square in which the goal lies, m."""
    tolerance: float = 0.035
    """Distance between the centres of puck and goal that counts as there, m."""
    safety: SafetyLimits = field(default_factory=behind_line)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("puck_range", self.puck_range, 0.0, 0.1, "m")
        require_range("goal_range", self.goal_range, 0.0, 0.12, "m")
        require_range("tolerance", self.tolerance, 0.01, 0.05, "m")
        if not ("yaw" in self.action or "rotation" in self.action):
            raise ConfigError(
                "env.action", expected="an action that turns: fingers strike along their face", got=self.action
            )


class Slide(SimTask):
    """The puck must come to rest with its centre within `tolerance` of the goal; the fingers start closed behind it."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.2, "slide": 0.6}

    def __init__(self, cfg: SlideConfig) -> None:
        super().__init__(cfg)
        self._puck_range, self._goal_range, self._tolerance = cfg.puck_range, cfg.goal_range, cfg.tolerance

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop(fovy=52.0)
        scene.fixture("line", (LINE + RADIUS, 0.0, 0.0)).shape(
            [0.002, 0.25, 0.001], colour=(0.9, 0.9, 0.9), solid=False
        )
        scene.fixture("goal", (*GOAL, 0.0)).shape([0.045, 0.001], colour=(0.1, 0.75, 0.3), solid=False)
        puck = scene.loose("puck", (*PUCK, HALF_HEIGHT), drag=DRAG)
        puck.shape([RADIUS, HALF_HEIGHT], name="puck", mass=MASS, friction=0.0, slick=True, colour=(0.85, 0.16, 0.12))

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        x, y = np.array(PUCK) + rng.uniform(-0.5, 0.5, 2) * self._puck_range
        self.world.place("puck", flat(x, y, HALF_HEIGHT, 0.0))
        x, y = np.array(GOAL) + rng.uniform(-0.5, 0.5, 2) * self._goal_range
        self.world.place("goal", flat(x, y, 0.0, 0.0))

    @override
    def start_poses(self, rng: np.random.Generator) -> Mapping[str, Pose]:
        offset = rng.uniform(-1.0, 1.0, 3) * (0.02, 0.05, 0.02)
        return {ARM: Pose(np.array([0.35, 0.0, 0.1]) + offset, turned_down(0.0))}

    @override
    def begin(self) -> None:
        self.arm.grip(0.0)

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        puck = self.puck()
        left = math.dist(puck[:2], self.goal()[:2])
        reach = 0.0 if puck[0] > LINE else math.dist(puck, self.arm.tool().position)
        terms = {"reach": 1.0 - math.tanh(5.0 * reach), "slide": 1.0 - math.tanh(5.0 * left)}
        return left < self._tolerance and self.world.speed("puck") < REST, terms

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        return {
            "puck_position": self.puck().tolist(),
            "puck_speed": [self.world.speed("puck")],
            "goal_position": self.goal()[:2].tolist(),
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "SlideExpert":
        return SlideExpert(env, self, rng)

    def puck(self) -> Vector:
        """Return where the centre of the puck is (3,), m in the world."""
        return self.world.pose("puck").position

    def goal(self) -> Vector:
        """Return where the centre of the goal is (3,), m in the world."""
        return self.world.pose("goal").position


class SlideExpert(CartesianExpert):
    """Comes down behind the puck, seen from the goal, and drives it up to the line.

    It keeps to the speed from which drag alone stops the puck at the goal, which depends on the way that is left: pictures show
    that, and not how fast the puck is.
    """

    TOUCH = RADIUS + 0.012
    """Distance between tool and puck at which the fingers touch it, m."""
    BEHIND = TOUCH + 0.012
    """Distance from the puck at which the fingers come down, m."""
    HEIGHT = 0.025
    """Of the tool while it strikes, m."""
    LET_GO = LINE + TOUCH - 0.01
    """x of the puck from which on the fingers leave it alone, 10 mm before they would be at the line, m in the world."""
    FACING = 0.1
    """Largest error of the heading at which to strike, rad: the puck glides off along the face of the fingers."""

    def __init__(self, env: RobotEnv, task: Slide, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task
        self._period = env.clock.period_s

    @override
    def goals(self) -> Mapping[str, Goal]:
        task = self._task
        tool, puck, goal = task.arm.tool().position, task.puck()[:2], task.goal()[:2]
        left = math.dist(goal, puck)
        ahead = (goal - puck) / max(left, 1e-9)
        offset = tool[:2] - puck
        along = float(offset @ ahead)
        aside = float(np.linalg.norm(offset - along * ahead))
        if puck[0] > self.LET_GO:
            return {ARM: Goal(tool + np.array([-0.02, 0.0, 0.01]), opening=0.0)}
        facing = yaw_of(TOOL_DOWN) + math.atan2(ahead[1], ahead[0])
        turn = self.shortest_turn(ARM, facing - yaw_of(task.arm.tool().quat_wxyz))
        if tool[2] < self.HEIGHT + 0.015 and along < -0.5 * self.TOUCH and aside < 0.015 and abs(turn) < self.FACING:
            speed = (left - 0.01) / (GLIDE + self._period)  # from which the puck, a step later, glides to its goal
            share = speed * self._period / (self._pace * task.cfg.translation_scale)
            return {ARM: Goal(np.array([*(puck + 0.2 * ahead), self.HEIGHT]), turn, opening=0.0, speed=share)}
        behind = puck - self.BEHIND * ahead
        away = float(np.linalg.norm(behind - tool[:2]))
        above = min(3.0 * max(away - 0.01, 0.0), 0.06)
        return {ARM: Goal(np.array([*behind, self.HEIGHT + above]), turn, opening=0.0)}
