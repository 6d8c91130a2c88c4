"""Push: slide a puck across the table to a disc, with the closed gripper."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.geometry import Pose, Vector
from robolearn.envs.config import TaskConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, SimTask
from robolearn.envs.tasks.expert import CartesianExpert, Goal
from robolearn.envs.tasks.pick_cube import workspace
from robolearn.safety import SafetyLimits

RADIUS = 0.04
"""Of the puck, m."""
HALF_HEIGHT = 0.02
"""Of the puck, m."""
CENTRE = (0.5, 0.0)
"""Middle of the square in which puck and goal lie, m in the world."""
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


@dataclass(kw_only=True, slots=True)
class PushConfig(TaskConfig):
    """Push a puck to a goal on the table."""

    symmetric: bool = True
    action: str = "xyz"
    max_steps: int = 100
    table_range: float = 0.22
    """Edge of the square in which puck and goal lie, m."""
    tolerance: float = 0.025
    """Distance between the centres of puck and goal that counts as there, m; they start more than twice that apart."""
    safety: SafetyLimits = field(default_factory=workspace)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("table_range", self.table_range, 0.1, 0.26, "m")
        require_range("tolerance", self.tolerance, 0.005, 0.04, "m")


class Push(SimTask):
    """The centre of the puck must come within `tolerance` of the goal; the fingers start closed."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.2, "push": 0.6}

    def __init__(self, cfg: PushConfig) -> None:
        super().__init__(cfg)
        self._range, self._tolerance = cfg.table_range, cfg.tolerance

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop()
        scene.fixture("goal", (*CENTRE, 0.0)).shape([0.05, 0.001], colour=(0.1, 0.75, 0.3), solid=False)
        puck = scene.loose("puck", (*CENTRE, HALF_HEIGHT))
        puck.shape([RADIUS, HALF_HEIGHT], name="puck", mass=0.15, friction=0.2, slick=True, colour=(0.85, 0.16, 0.12))

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        puck, goal = np.zeros(2), np.zeros(2)
        while math.dist(puck, goal) <= 2.0 * self._tolerance:
            puck, goal = np.array(CENTRE) + rng.uniform(-0.5, 0.5, (2, 2)) * self._range
        self.world.place("puck", Pose(np.array([*puck, HALF_HEIGHT]), UPRIGHT))
        self.world.place("goal", Pose(np.array([*goal, 0.0]), UPRIGHT))

    @override
    def begin(self) -> None:
        self.arm.grip(0.0)

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        puck, goal = self.puck(), self.goal()
        left = math.dist(puck[:2], goal[:2])
        reach = math.dist(puck, self.arm.tool().position)
        terms = {"reach": 1.0 - math.tanh(5.0 * reach), "push": 1.0 - math.tanh(5.0 * left)}
        return left < self._tolerance and abs(float(puck[2]) - HALF_HEIGHT) < HALF_HEIGHT, terms

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        return {"puck_position": self.puck().tolist(), "goal_position": self.goal()[:2].tolist()}

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "PushExpert":
        return PushExpert(env, self, rng)

    def puck(self) -> Vector:
        """Return where the centre of the puck is (3,), m in the world."""
        return self.world.pose("puck").position

    def goal(self) -> Vector:
        """Return where the centre of the goal is (3,), m in the world."""
        return self.world.pose("goal").position


class PushExpert(CartesianExpert):
    """Comes down behind the puck, seen from the goal, and pushes; where it slips off, it goes round the puck."""

    TOUCH = RADIUS + 0.012
    """Distance between tool and puck at which the fingers touch it, m."""
    BEHIND = TOUCH + 0.025
    """Distance from the puck at which the fingers come down, m."""
    HEIGHT = 0.03
    """Of the tool while it pushes, m."""
    LOW = HEIGHT + 0.04
    """Height below which the way to the other side leads round the puck, m; above, it leads over it."""
    ASTRAY = 0.3
    """Angle about the puck between the tool and its place behind the puck from which on it goes round, rad."""
    AHEAD = 0.7
    """How far ahead of the tool its goal lies on the way round, as an angle about the puck, rad."""

    def __init__(self, env: RobotEnv, task: Push, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task

    @override
    def goals(self) -> Mapping[str, Goal]:
        tool, puck, goal = self._task.arm.tool().position, self._task.puck()[:2], self._task.goal()[:2]
        way = goal - puck
        ahead = way / max(float(np.linalg.norm(way)), 1e-9)
        offset = tool[:2] - puck
        along = float(offset @ ahead)
        aside = float(np.linalg.norm(offset - along * ahead))
        if tool[2] < self.HEIGHT + 0.02 and along < -0.5 * self.TOUCH and aside < 0.02:
            lead = 0.06 - 5.0 * aside
            return {ARM: self._at(puck + (lead - self.TOUCH) * ahead, self.HEIGHT, speed=0.4)}
        turn = math.atan2(ahead[0] * offset[1] - ahead[1] * offset[0], -along)
        if tool[2] < self.LOW and abs(turn) > self.ASTRAY:
            angle = math.atan2(offset[1], offset[0]) + math.copysign(min(abs(turn), self.AHEAD), turn)
            return {ARM: self._at(puck + self.BEHIND * np.array([math.cos(angle), math.sin(angle)]), self.HEIGHT)}
        behind = puck - self.BEHIND * ahead
        away = float(np.linalg.norm(behind - tool[:2]))
        return {ARM: self._at(behind, self.HEIGHT + min(3.0 * max(away - 0.012, 0.0), 0.1))}

    def _at(self, place: Vector, height: float, speed: float = 1.0) -> Goal:
        """Return the goal above a place (2,), m in the world."""
        return Goal(np.array([*place, height]), opening=0.0, speed=speed)
