"""Handover: one arm takes a stick from the table and gives it to the other."""

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
from robolearn.envs.tasks.two_arms import LEFT, RIGHT, SIDES, STANDS, Bar, TwoArmConfig, above

STICK = Bar("stick", 0.3, 0.016)
ENDS = 0.1
"""Length of each end, by which an arm may hold it, m."""
GRIP = 0.1
"""Where the expert grasps, m from the middle."""
MEETING = np.array([0.5, 0.0, 0.16])
"""Where the stick's middle changes hands, m in the world."""


@dataclass(kw_only=True, slots=True)
class HandoverConfig(TwoArmConfig):
    """Give a stick from the left hand to the right."""

    spread: float = 0.04
    """The stick's middle starts within this of its place on the left half of the table, along each axis, m."""
    yaw: float = 0.25
    """It starts turned by up to this in either direction, rad."""
    height: float = 0.08
    """How far above the table the stick's middle must be at the end, m."""

    def __post_init__(self) -> None:
        TwoArmConfig.__post_init__(self)
        require_range("spread", self.spread, 0.0, 0.05, "m")
        require_range("yaw", self.yaw, 0.0, 0.3, "rad")
        require_range("height", self.height, 0.04, 0.14, "m")


class Handover(SimTask):
    """The right hand alone must hold the stick, in the air; it starts out of the right hand's half."""

    stands: ClassVar[Mapping[str, Placement]] = STANDS
    weights: ClassVar[Mapping[str, float]] = {"take": 0.2, "lift": 0.2, "meet": 0.2, "give": 0.2}
    START = (0.5, 0.14)
    """Middle of the area in which the stick's middle starts, m in the world."""

    def __init__(self, cfg: HandoverConfig) -> None:
        super().__init__(cfg)
        self._height, self._spread, self._yaw = cfg.height, cfg.spread, cfg.yaw

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop(fovy=48.0)
        STICK.add(scene, mass=0.15, colour=(0.85, 0.35, 0.05), ends=ENDS)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        STICK.place(self.world, rng, self._spread, self._yaw, self.START)

    @override
    def start_poses(self, rng: np.random.Generator) -> Mapping[str, Pose]:
        return {LEFT: above(rng, np.array([0.48, 0.26, 0.18])), RIGHT: above(rng, np.array([0.48, -0.2, 0.18]))}

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        held = self.held()
        height = float(self.world.pose(STICK.name).position[2])
        away = math.dist(self.grip(RIGHT), self.arms[RIGHT].tool().position)
        terms = {
            "take": float(any(held.values())),
            "lift": min(max(height - STICK.half, 0.0) / self._height, 1.0) if any(held.values()) else 0.0,
            "meet": 1.0 - math.tanh(5.0 * away),
            "give": float(held[RIGHT] and not self.touched(LEFT)),
        }
        return held[RIGHT] and not self.touched(LEFT) and height >= self._height, terms

    def held(self) -> dict[str, bool]:
        """Return which hands have the stick between their pads."""
        return {arm: STICK.held(self.world, arm) for arm in SIDES}

    def touched(self, arm: str) -> bool:
        """Return whether any pad of an arm touches any part of the stick."""
        parts = (STICK.name, *(STICK.end(side) for side in SIDES))
        return any(self.world.touching(part, f"{arm}/{pad}") for part in parts for pad in ("left_pad", "right_pad"))

    def grip(self, arm: str) -> np.ndarray:
        """Return where the expert holds the stick with an arm (3,), m in the world."""
        return STICK.grip(self.world, arm, GRIP)

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        pose = self.world.pose(STICK.name)
        return {"stick_position": pose.position.tolist(), "stick_quat_wxyz": pose.quat_wxyz.tolist()}

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "HandoverExpert":
        return HandoverExpert(env, self, rng)


class HandoverExpert(CartesianExpert):
    """The left hand takes the stick to the middle, the right one grasps it there, and the left one lets go."""

    NEAR = 0.02
    """Distance from the meeting place at which the right hand comes, m."""
    CARE = 0.5
    """Share of its speed at which the right hand comes to what the left one holds."""
    WAITING = np.array([0.5, -0.2, 0.22])
    """Where the right hand waits, m in the world."""

    def __init__(self, env: RobotEnv, task: Handover, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task

    @override
    def goals(self) -> Mapping[str, Goal]:
        task, held = self._task, self._task.held()
        left, right = (task.arms[arm].tool().position for arm in (LEFT, RIGHT))
        if held[RIGHT]:
            retreat = left + np.array([0.0, 0.05, 0.05]) if not task.touched(LEFT) else left
            return {LEFT: Goal(retreat), RIGHT: Goal(right, opening=0.0)}
        if not held[LEFT]:
            take = STICK.grasp(task.world, task.arms[LEFT], LEFT, GRIP)
            return {LEFT: take, RIGHT: Goal(self.WAITING)}
        middle = task.world.pose(STICK.name).position
        carry = Goal(left + MEETING - middle, -STICK.yaw(task.world), opening=0.0)
        if float(np.linalg.norm(middle - MEETING)) > self.NEAR:
            return {LEFT: carry, RIGHT: Goal(self.WAITING)}
        return {LEFT: carry, RIGHT: STICK.grasp(task.world, task.arms[RIGHT], RIGHT, GRIP, self.CARE)}
