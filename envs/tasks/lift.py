"""Lift: two arms grasp a long bar at its ends and lift it level."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.geometry import Pose
from robolearn.envs.config import require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.model import Placement
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import SimTask
from robolearn.envs.tasks.expert import CartesianExpert, Goal
from robolearn.envs.tasks.two_arms import SIDES, STANDS, Bar, TwoArmConfig, start_above

BAR = Bar("bar", 0.44, 0.016)
ENDS = 0.12
"""Length of each end, where it may be held, m."""
GRIP = 0.17
"""Where the expert grasps, m from the middle."""


@dataclass(kw_only=True, slots=True)
class LiftConfig(TwoArmConfig):
    """Lift a bar with two arms."""

    symmetric: bool = True
    spread: float = 0.05
    """The bar's middle starts within this of the table's middle, along each axis, m."""
    yaw: float = 0.25
    """It starts turned by up to this in either direction, rad."""
    lift_height: float = 0.1
    """How far above the table its lower side must be at both ends, m."""
    tilt_max: float = 0.15
    """How far it may hang off level when it is up, rad."""

    def __post_init__(self) -> None:
        TwoArmConfig.__post_init__(self)
        require_range("spread", self.spread, 0.0, 0.06, "m")
        require_range("yaw", self.yaw, 0.0, 0.3, "rad")
        require_range("lift_height", self.lift_height, 0.02, 0.2, "m")
        require_range("tilt_max", self.tilt_max, 0.02, 0.5, "rad")


class Lift(SimTask):
    """The whole bar must be `lift_height` above the table, nearly level, and an end in each hand."""

    stands: ClassVar[Mapping[str, Placement]] = STANDS
    weights: ClassVar[Mapping[str, float]] = {"reach": 0.2, "grasp": 0.2, "lift": 0.4}

    def __init__(self, cfg: LiftConfig) -> None:
        super().__init__(cfg)
        self.lift_height = cfg.lift_height
        self._spread, self._yaw, self._tilt_max = cfg.spread, cfg.yaw, cfg.tilt_max

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop(fovy=48.0)
        BAR.add(scene, mass=0.2, colour=(0.1, 0.3, 0.8), ends=ENDS)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        BAR.place(self.world, rng, self._spread, self._yaw)

    @override
    def start_poses(self, rng: np.random.Generator) -> Mapping[str, Pose]:
        return start_above(rng, GRIP, 0.16)

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        distances = [math.dist(BAR.grip(self.world, arm, GRIP), self.arms[arm].tool().position) for arm in SIDES]
        held = [BAR.held(self.world, arm) for arm in SIDES]
        height, tilt = self.height(), abs(math.asin(float(BAR.direction(self.world)[2])))
        terms = {
            "reach": 1.0 - math.tanh(5.0 * sum(distances) / len(distances)),
            "grasp": sum(held) / len(held),
            "lift": min(max(height / self.lift_height, 0.0), 1.0),
        }
        return all(held) and height >= self.lift_height and tilt < self._tilt_max, terms

    def height(self) -> float:
        """Return how far the lower end's underside is above the table, m."""
        ends = [BAR.grip(self.world, arm, 0.5 * BAR.length)[2] for arm in SIDES]
        return float(min(ends)) - BAR.half

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        pose = self.world.pose(BAR.name)
        return {"bar_position": pose.position.tolist(), "bar_quat_wxyz": pose.quat_wxyz.tolist()}

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "LiftExpert":
        return LiftExpert(env, self, rng)


class LiftExpert(CartesianExpert):
    """Both hands come down on the ends, close, wait for each other, and lift alike."""

    LIFT_TO = 0.05
    """m that the lift aims beyond what success needs."""
    STEP = 0.05
    """m that the goal of the lift is above the lower hand: the hands stay level."""

    def __init__(self, env: RobotEnv, task: Lift, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task

    @override
    def goals(self) -> Mapping[str, Goal]:
        task = self._task
        if all(BAR.held(task.world, arm) for arm in SIDES):
            tools = {arm: task.arms[arm].tool().position for arm in SIDES}
            lower = min(float(position[2]) for position in tools.values())
            top = min(lower + self.STEP, task.lift_height + BAR.half + self.LIFT_TO)
            return {arm: Goal(np.array([*p[:2], top]), opening=0.0) for arm, p in tools.items()}
        return {arm: BAR.grasp(task.world, task.arms[arm], arm, GRIP) for arm in SIDES}
