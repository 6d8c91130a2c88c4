"""Pick-cube: grasp a cube that lies anywhere in a square on the table, and lift it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.errors import ConfigError
from robolearn.core.geometry import Pose, Vector, quat_from_rotvec
from robolearn.envs.config import EnvConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, SimTask, yaw_of
from robolearn.envs.tasks.expert import CartesianExpert, Goal
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
class PickCubeConfig(EnvConfig):
    """Lift a cube from the table."""

    cube_range: float = 0.2
    """Edge of the square in which the cube starts, m."""
    yaw: float = math.pi
    """The cube starts turned by up to this in either direction, rad."""
    lift_height: float = 0.1
    """How far above the table the cube's underside must be, m."""
    safety: SafetyLimits = field(default_factory=workspace)

    def __post_init__(self) -> None:
        EnvConfig.__post_init__(self)
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
        yaw = rng.uniform(-self._yaw, self._yaw)
        self.world.place("cube", Pose(np.array([x, y, HALF]), quat_from_rotvec(np.array([0.0, 0.0, yaw]))))

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
        yaw = yaw_of(pose.quat_wxyz)
        return {
            "cube_position": pose.position.tolist(),
            "cube_quat_wxyz": pose.quat_wxyz.tolist(),
            "cube_symmetric_yaw": [math.sin(4.0 * yaw), math.cos(4.0 * yaw)],
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "PickCubeExpert":
        return PickCubeExpert(env, self, rng)

    def held(self) -> bool:
        """Return whether both finger pads touch the cube."""
        return self.world.touching("cube", "arm/left_pad") and self.world.touching("cube", "arm/right_pad")


class PickCubeExpert(CartesianExpert):
    """Comes down along a funnel above the cube, turning the short way, closes, and lifts."""

    LIFT_TO = 0.05
    """m that the lift aims beyond what success needs."""
    OPEN = 0.95
    """Opening below which the fingers are taken to be closing, which is given up less easily than it is begun."""

    def __init__(self, env: RobotEnv, task: PickCube, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task
        self._top = task.lift_height + HALF + self.LIFT_TO

    @override
    def goals(self) -> Mapping[str, Goal]:
        tool, cube = self._task.arm.tool(), self._task.world.pose("cube")
        away = float(np.linalg.norm(cube.position[:2] - tool.position[:2]))
        turn = self._turn(tool.quat_wxyz, cube.quat_wxyz)
        above = float(tool.position[2] - cube.position[2])
        slack = 1.0 if self._task.arm.opening() > self.OPEN else 2.0
        there = away < 0.01 * slack and abs(above) < 0.012 * slack and abs(turn) < 0.15 * slack
        if there and self._task.held():
            return {ARM: Goal(np.array([*tool.position[:2], self._top]), opening=0.0)}
        if there:
            return {ARM: Goal(cube.position, opening=0.0)}
        funnel = 2.0 * max(away - 0.006, 0.0) + 0.15 * max(abs(turn) - 0.1, 0.0)
        height = float(cube.position[2]) + min(funnel, 0.12)
        return {ARM: Goal(np.array([*cube.position[:2], height]), turn)}

    def _turn(self, tool_wxyz: Vector, cube_wxyz: Vector) -> float:
        """Return the shorter turn that lines the fingers up with two sides of the cube, rad."""
        if not self.can_turn(ARM):
            return 0.0
        return math.remainder(yaw_of(cube_wxyz) - yaw_of(tool_wxyz), 0.5 * math.pi)
