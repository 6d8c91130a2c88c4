"""What tasks for two arms side by side share: where they stand, what they see, and a bar that both can hold."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_rotate
from robolearn.envs.config import TaskConfig
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.model import Placement
from robolearn.envs.sim.scene import SceneBuilder
from robolearn.envs.sim.world import World
from robolearn.envs.tasks.base import contact_limits, turned_down, yaw_of
from robolearn.envs.tasks.expert import Goal
from robolearn.safety import SafetyLimits

LEFT, RIGHT = "left", "right"
SIDES = {LEFT: 1.0, RIGHT: -1.0}
"""The sign of y at which each arm works."""
STANDS = {arm: Placement(position=(0.0, 0.3 * side, 0.0)) for arm, side in SIDES.items()}
QUARTER = 0.5 * math.pi
"""Turn of the tools about the world's z axis at which their fingers open along x, across a bar along y; rad."""
HIGH = np.array([0.0, 0.0, 0.006])
"""From a bar's axis to the tool that holds it, m in the world: the palm keeps its distance."""
OPEN = 0.95
"""Opening below which fingers are taken to be closing, which is given up less easily than it is begun."""


@dataclass(kw_only=True, slots=True)
class TwoArmConfig(TaskConfig):
    """A task for two arms, 7 action values each."""

    nudge: ClassVar[float] = 0.05
    """A nudged hand pulls at what the other one holds."""
    known_cameras: ClassVar[tuple[str, ...]] = ("front", "left_wrist", "right_wrist")
    cameras: list[str] = field(default_factory=lambda: ["left_wrist", "right_wrist"])
    action: str = "xyz_rotation_gripper"
    frame: str = "tool"
    """What a wrist camera shows and where its hand should go are then in the same axes."""
    max_steps: int = 80
    safety: SafetyLimits = field(default_factory=lambda: contact_limits((0.3, -0.5, 0.02), (0.7, 0.5, 0.4)))
    """Of each arm, in its own base; both reach the middle of the table."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A square bar that lies along y."""

    name: str
    length: float
    """m."""
    half: float
    """Half an edge of its cross-section, m."""

    def add(self, scene: SceneBuilder, *, mass: float, colour: tuple[float, float, float], ends: float) -> None:
        """Add it to a scene, its last `ends` metres on either side in a lighter colour."""
        middle = 0.5 * self.length - ends
        body = scene.loose(self.name, (0.5, 0.0, self.half))
        share = ends / self.length
        body.shape([self.half, middle, self.half], name=self.name, colour=colour, mass=mass * (1.0 - 2.0 * share))
        light = [0.45 + 0.55 * value for value in colour]
        for arm, side in SIDES.items():
            body.shape(
                [self.half, 0.5 * ends, self.half],
                (0.0, side * (middle + 0.5 * ends), 0.0),
                name=self.end(arm),
                colour=light,
                mass=mass * share,
            )

    def end(self, arm: str) -> str:
        """Return the name of the end that is nearer to an arm."""
        return f"{self.name}_{arm}"

    def place(
        self, world: World, rng: np.random.Generator, spread: float, yaw: float, middle: Sequence[float] = (0.5, 0.0)
    ) -> None:
        """Put it on the table, within `spread` m of `middle` along each axis, turned by up to `yaw` rad."""
        x, y = np.array(middle) + rng.uniform(-1.0, 1.0, 2) * spread
        turn = quat_from_rotvec(np.array([0.0, 0.0, rng.uniform(-yaw, yaw)]))
        world.place(self.name, Pose(np.array([x, y, self.half]), turn))

    def grip(self, world: World, arm: str, distance: float) -> Vector:
        """Return the point (3,) on its axis that is `distance` m from the middle towards an arm."""
        pose = world.pose(self.name)
        return pose.position + quat_rotate(pose.quat_wxyz, np.array([0.0, SIDES[arm] * distance, 0.0]))

    def direction(self, world: World) -> Vector:
        """Return the unit vector (3,) along it, towards the left."""
        return quat_rotate(world.pose(self.name).quat_wxyz, np.array([0.0, 1.0, 0.0]))

    def yaw(self, world: World) -> float:
        """Return how far it is turned about the world's z axis, rad."""
        x, y, _ = self.direction(world)
        return math.atan2(y, x) - QUARTER

    def held(self, world: World, arm: str) -> bool:
        """Return whether both pads of an arm touch the end that is nearer to it."""
        return all(world.touching(self.end(arm), f"{arm}/{pad}") for pad in ("left_pad", "right_pad"))

    def grasp(self, world: World, driver: SimArm, arm: str, distance: float, speed: float = 1.0) -> Goal:
        """Return the next goal of a hand that is to take its end: down along a funnel above the grip, then close."""
        tool, grip = driver.tool(), self.grip(world, arm, distance) + HIGH
        turn = math.remainder(yaw_of(turned_down(QUARTER + self.yaw(world))) - yaw_of(tool.quat_wxyz), math.pi)
        away = float(np.linalg.norm(grip[:2] - tool.position[:2]))
        raised = abs(float(tool.position[2] - grip[2]))
        slack = 1.0 if driver.opening() > OPEN else 2.5
        if away < 0.012 * slack and raised < 0.012 * slack and abs(turn) < 0.15 * slack:
            return Goal(grip, turn, 0.0, speed)
        funnel = 2.0 * max(away - 0.006, 0.0) + 0.15 * max(abs(turn) - 0.1, 0.0)
        return Goal(np.array([*grip[:2], float(grip[2]) + min(funnel, 0.1)]), turn, 1.0, speed)


def above(rng: np.random.Generator, position: Vector) -> Pose:
    """Return a random tool pose near a position in the world, pointing down with its fingers opening along x."""
    offset = rng.uniform(-1.0, 1.0, 3) * (0.04, 0.03, 0.03)
    return Pose(position + offset, turned_down(QUARTER + rng.uniform(-0.2, 0.2)))


def start_above(rng: np.random.Generator, distance: float, height: float) -> Mapping[str, Pose]:
    """Return a random pose for each tool, `distance` m from the middle to its side."""
    return {arm: above(rng, np.array([0.48, side * distance, height])) for arm, side in SIDES.items()}
