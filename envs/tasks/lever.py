"""Lever: turn a handle that stands on the table round its post, against a spring, with the closed gripper."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import override

from robolearn.core.geometry import Pose, Vector, quat_from_rotvec
from robolearn.envs.config import TaskConfig, require_range
from robolearn.envs.robot_env import RobotEnv
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.tasks.base import ARM, SimTask, yaw_of
from robolearn.envs.tasks.expert import CartesianExpert, Goal
from robolearn.envs.tasks.pick_cube import workspace
from robolearn.safety import SafetyLimits

CENTRE = (0.48, 0.0)
"""Middle of the square in which the post stands, m in the world."""
HEIGHT = 0.038
"""Of the lever above the table, m."""
GRIP = 0.1
"""Distance between the post and the middle of the lever's grip, m."""
GRIP_HALF = (0.032, 0.01, 0.012)
"""Half edges of the grip, m."""
TRAVEL = 1.4
"""How far the lever turns, rad, to the left seen from above."""
AJAR = 0.1
"""The lever starts turned by up to this, rad."""
STEEL, DARK, BLUE, GREEN = (0.75, 0.77, 0.8), (0.2, 0.22, 0.26), (0.1, 0.25, 0.85), (0.1, 0.75, 0.3)


@dataclass(kw_only=True, slots=True)
class LeverConfig(TaskConfig):
    """Turn a lever."""

    action: str = "xyz"
    max_steps: int = 60
    post_range: float = 0.1
    """Edge of the square in which the post stands, m."""
    yaw: float = 0.8
    """The whole lever is turned by up to this in either direction, rad; at 0 it comes to point away from the base."""
    angle: float = 1.0
    """How far the lever must be turned, rad."""
    safety: SafetyLimits = field(default_factory=workspace)

    def __post_init__(self) -> None:
        TaskConfig.__post_init__(self)
        require_range("post_range", self.post_range, 0.0, 0.12, "m")
        require_range("yaw", self.yaw, 0.0, math.pi, "rad")
        require_range("angle", self.angle, 2.0 * AJAR, 0.9 * TRAVEL, "rad")


class Lever(SimTask):
    """The lever must be turned by `angle` from where its spring lets it rest; the fingers start closed."""

    weights: ClassVar[Mapping[str, float]] = {"reach": 0.3, "turn": 0.5}

    def __init__(self, cfg: LeverConfig) -> None:
        super().__init__(cfg)
        self._range, self._yaw, self._angle = cfg.post_range, cfg.yaw, cfg.angle

    @override
    def scene(self, scene: SceneBuilder) -> None:
        scene.tabletop()
        stand = scene.fixture("stand", (*CENTRE, 0.0))
        stand.shape([0.045, 0.004], (0.0, 0.0, 0.004), colour=DARK)
        stand.shape([0.014, 0.019], (0.0, 0.0, 0.027), colour=STEEL)
        mark, turned = 0.09 * towards(self._angle), quat_from_rotvec(np.array([0.0, 0.0, self._angle]))
        stand.shape([0.04, 0.006, 0.001], [*mark, 0.001], colour=GREEN, quat_wxyz=turned.tolist(), solid=False)
        lever = stand.hinged(
            "lever", (0.0, 0.0, HEIGHT), (0.0, 0.0, 1.0), (0.0, TRAVEL), damping=0.15, frictionloss=0.1, stiffness=0.3
        )
        lever.shape([0.035, 0.007, 0.007], (0.035, 0.0, 0.0), colour=STEEL, mass=0.1)
        lever.shape(GRIP_HALF, (GRIP, 0.0, 0.0), name="grip", colour=BLUE, mass=0.1, friction=0.4, slick=True)

    @override
    def place(self, rng: np.random.Generator, options: Mapping[str, object]) -> None:
        x, y = np.array(CENTRE) + rng.uniform(-0.5, 0.5, 2) * self._range
        yaw = rng.uniform(-self._yaw, self._yaw) - self._angle
        self.world.place("stand", Pose(np.array([x, y, 0.0]), quat_from_rotvec(np.array([0.0, 0.0, yaw]))))
        self.world.set_joint("lever", rng.uniform(0.0, AJAR))

    @override
    def begin(self) -> None:
        self.arm.grip(0.0)

    @override
    def judge(self) -> tuple[bool, dict[str, float]]:
        distance = math.dist(self.grip(), self.arm.tool().position)
        share = self.world.joint("lever") / self._angle
        return share >= 1.0, {"reach": 1.0 - math.tanh(5.0 * distance), "turn": min(max(share, 0.0), 1.0)}

    @override
    def privileged(self) -> dict[str, Sequence[float]]:
        heading = self.heading()
        return {
            "post_position": self.post().tolist(),
            "lever_heading": [math.sin(heading), math.cos(heading)],
            "lever_angle": [self.world.joint("lever")],
        }

    @override
    def expert(self, env: RobotEnv, rng: np.random.Generator) -> "LeverExpert":
        return LeverExpert(env, self, rng)

    def post(self) -> Vector:
        """Return where the post stands (2,), m in the world."""
        return self.world.pose("stand").position[:2]

    def heading(self) -> float:
        """Return the direction in which the lever points, rad from the world's x axis."""
        return yaw_of(self.world.pose("lever").quat_wxyz)

    def grip(self) -> Vector:
        """Return where the middle of the lever's grip is (3,), m in the world."""
        return np.array([*(self.post() + GRIP * towards(self.heading())), HEIGHT])


def towards(heading: float) -> Vector:
    """Return the horizontal unit vector (2,) of a direction, rad from the world's x axis."""
    return np.array([math.cos(heading), math.sin(heading)])


class LeverExpert(CartesianExpert):
    """Comes down along a funnel beside the grip, and pushes it round."""

    TOUCH = GRIP_HALF[1] + 0.012
    """Distance between tool and lever at which the fingers touch it, m."""
    BESIDE = TOUCH + 0.025
    """Distance from the lever at which the fingers come down, m."""
    ABOVE = 0.005
    """Height of the tool above the lever while it pushes, m."""
    LEAD = 0.02
    """m by which the push aims ahead of where the fingers touch the lever."""

    def __init__(self, env: RobotEnv, task: Lever, rng: np.random.Generator) -> None:
        super().__init__(env, task.arms, rng)
        self._task = task

    @override
    def goals(self) -> Mapping[str, Goal]:
        tool, grip, heading = self._task.arm.tool().position, self._task.grip(), self._task.heading()
        along, ahead = towards(heading), towards(heading + 0.5 * math.pi)
        offset = tool[:2] - grip[:2]
        behind, aside = -float(offset @ ahead), float(offset @ along)
        low = tool[2] < HEIGHT + self.ABOVE + 0.015
        if low and 0.5 * self.TOUCH < behind < self.BESIDE + 0.02 and abs(aside) < 0.8 * GRIP_HALF[0]:
            return {ARM: self._at(grip[:2] + (self.LEAD - self.TOUCH) * ahead, 0.0, speed=0.42)}
        beside = grip[:2] - self.BESIDE * ahead
        away = float(np.linalg.norm(beside - tool[:2]))
        return {ARM: self._at(beside, min(4.0 * max(away - 0.008, 0.0), 0.12))}

    def _at(self, place: Vector, above: float, speed: float = 1.0) -> Goal:
        """Return the goal at a place (2,), m in the world, `above` the height at which to push."""
        return Goal(np.array([*place, HEIGHT + self.ABOVE + above]), opening=0.0, speed=speed)
