"""Reach: bring the tool to a ball that hangs anywhere in a box above the table."""

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
from robolearn.envs.tasks.base import ARM, SimTask, near_middle
from robolearn.envs.tasks.expert import CartesianExpert, Goal
from robolearn.envs.tasks.pick_cube import workspace
from robolearn.safety import SafetyLimits

CENTRE = (0.5, 0.0, 0.16)
"""Middle of the box in which the ball hangs, m in base."""


@dataclass(kw_only=True, slots=True)
class ReachConfig(TaskConfig):
    """Touch a ball with the tool."""

    symmetric: bool = True
    action: str = "xyz"
    max_steps: int = 30
    target_range: float = 0.24
    """Edge of the box in which the ball hangs, m."""
    tolerance: float = 0.02
    """Distance between tool and ball that counts as reached, m."""
    safety: SafetyLimits = field(default_factory=workspace)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("target_range", self.target_range, 0.0, 0.25, "m")
        require_range("tolerance", self.tolerance, 0.002, 0.1, "m")


class Reach(SimTask):
    """The tool must come within `tolerance` of the ball."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.5}

    def __init__(self, cfg: ReachConfig) -> None:
        super().__init__(cfg)
        self._range, self._tolerance = cfg.target_range, cfg.tolerance

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop()
        scene.fixture("ball", CENTRE).shape([0.018], colour=(0.1, 0.75, 0.3), solid=False)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        position = np.array(CENTRE) + rng.uniform(-0.5, 0.5, 3) * self._range
        self.world.place("ball", Pose(position, np.array([1.0, 0.0, 0.0, 0.0])))

    @override
    def start_poses(self, rng: np.random.Generator) -> Mapping[str, Pose]:
        """Return a pose near the middle, but not where the task would be solved at once."""
        while True:
            start = near_middle(rng)
            if float(np.linalg.norm(start.position - self.target())) > 2.0 * self._tolerance:
                return {ARM: start}

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        distance = math.dist(self.target(), self.arm.tool().position)
        return distance < self._tolerance, {"reach": 1.0 - math.tanh(5.0 * distance)}

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        return {"target_position": self.target().tolist()}

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "ReachExpert":
        return ReachExpert(env, self, rng)

    def target(self) -> Vector:
        """Return where the ball is (3,), m in base."""
        return self.world.pose("ball").position


class ReachExpert(CartesianExpert):
    """Goes straight to the ball."""

    def __init__(self, env: RobotEnv, task: Reach, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task

    @override
    def goals(self) -> Mapping[str, Goal]:
        return {ARM: Goal(self._task.target())}
