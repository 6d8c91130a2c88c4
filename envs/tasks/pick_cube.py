"""Pick-cube: grasp a cube that lies anywhere in a square on the table, and lift it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.envs.config import TaskConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, SimTask
from robolearn.envs.tasks.expert import Goal
from robolearn.envs.tasks.grasp import GraspExpert, held
from robolearn.envs.tasks.layout import flat, symmetric_yaw
from robolearn.safety import SafetyLimits

HALF = 0.0225
"""Half an edge of the cube, m."""
CENTRE = (0.5, 0.0)
"""Middle of the square in which the cube starts, m in base."""
NEAR_M = 0.05
"""A cube within this of the tool, when it is up, is held and not thrown."""


def workspace() -> SafetyLimits:
    """Return the limits of table-top work: fingertips, 15 mm below the tool, stay 5 mm off the table."""
    return SafetyLimits(workspace_low=(0.3, -0.25, 0.02), workspace_high=(0.7, 0.25, 0.4), position_error=0.08)


@dataclass(kw_only=True, slots=True)
class PickCubeConfig(TaskConfig):
    """Lift a cube from the table."""

    symmetric: bool = True
    cube_range: float = 0.2
    """Edge of the square in which the cube starts, m."""
    yaw: float = math.pi
    """The cube starts turned by up to this in either direction, rad."""
    lift_height: float = 0.1
    """How far above the table the cube's underside must be, m."""
    safety: SafetyLimits = field(default_factory=workspace)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("cube_range", self.cube_range, 0.0, 0.3, "m")
        require_range("yaw", self.yaw, 0.0, math.pi, "rad")
        require_range("lift_height", self.lift_height, 0.02, 0.25, "m")
        if not self.action.endswith("gripper"):
            raise ConfigError("env.action", expected="an action with a gripper", got=self.action)


class PickCube(SimTask):
    """The cube's underside must be `lift_height` above the table, and the cube between the fingers."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.2, "grasp": 0.2, "lift": 0.4}

    def __init__(self, cfg: PickCubeConfig) -> None:
        super().__init__(cfg)
        self.lift_height = cfg.lift_height
        self._range, self._yaw = cfg.cube_range, cfg.yaw

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop()
        scene.loose("cube", (*CENTRE, HALF)).shape([HALF] * 3, name="cube", mass=0.1, colour=(0.85, 0.16, 0.12))

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        x, y = np.array(CENTRE) + rng.uniform(-0.5, 0.5, 2) * self._range
        self.world.place("cube", flat(x, y, HALF, rng.uniform(-self._yaw, self._yaw)))

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        cube = self.world.pose("cube").position
        distance = math.dist(cube, self.arm.tool().position)
        lift = (float(cube[2]) - HALF) / self.lift_height
        held = self.held()
        terms = {"reach": 1.0 - math.tanh(5.0 * distance), "grasp": float(held), "lift": min(max(lift, 0.0), 1.0)}
        return held and distance < NEAR_M and lift >= 1.0, terms

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        pose = self.world.pose("cube")
        return {
            "cube_position": pose.position.tolist(),
            "cube_quat_wxyz": pose.quat_wxyz.tolist(),
            "cube_symmetric_yaw": symmetric_yaw(pose),
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "PickCubeExpert":
        return PickCubeExpert(env, self, rng)

    def held(self) -> bool:
        """Return whether both finger pads touch the cube."""
        return held(self.world, "cube")


class PickCubeExpert(GraspExpert):
    """Grasps the cube and lifts it."""

    LIFT_TO = 0.05
    """m that the lift aims beyond what success needs."""

    def __init__(self, env: RobotEnv, task: PickCube, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task
        self._top = task.lift_height + HALF + self.LIFT_TO

    @override
    def goals(self) -> Mapping[str, Goal]:
        goal = self.grasp(self._task.world.pose("cube"), self._task.held())
        if goal is None:
            goal = Goal(np.array([*self._task.arm.tool().position[:2], self._top]), opening=0.0)
        return {ARM: goal}
