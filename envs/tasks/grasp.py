"""What tasks with a cube to be grasped share: who touches it, and how an expert takes it, carries it and lets it go."""

import abc
import math

import numpy as np

from robolearn.core.geometry import Pose, Vector
from robolearn.envs.sim.world import World
from robolearn.envs.tasks.base import ARM, yaw_of
from robolearn.envs.tasks.expert import CartesianExpert, Goal

PADS = (f"{ARM}/left_pad", f"{ARM}/right_pad")
"""The geoms of the fingers that hold things."""


def held(world: World, geom: str) -> bool:
    """Return whether both finger pads touch a geom."""
    return all(world.touching(geom, pad) for pad in PADS)


def released(world: World, geom: str) -> bool:
    """Return whether neither finger pad touches a geom."""
    return not any(world.touching(geom, pad) for pad in PADS)


class GraspExpert(CartesianExpert, abc.ABC):
    """Comes down along a funnel above a cube, turning the short way, and closes."""

    OPEN = 0.95
    """Opening below which the fingers are taken to be closing, which is given up less easily than it is begun."""
    CLOSED_M = 0.0
    """How far apart the fingers are sent around the cube, m."""
    HIGH = 0.0
    """How far above the middle of the cube they grasp it, m."""
    IN_SIGHT = 0.04
    """How far off the cube, seen from above, the hand begins to turn, m: where its camera shows which way the cube lies."""

    def grasp(self, cube: Pose, held: bool) -> Goal | None:
        """Return where to go next to hold a cube, or None once it is held well.

        Args:
            cube: Its pose in the world.
            held: Whether the fingers hold it.
        """
        arm = self._arms[ARM]
        tool, (x, y, z) = arm.tool(), cube.position.tolist()
        z += self.HIGH
        away = float(np.linalg.norm(cube.position[:2] - tool.position[:2]))
        turn = self._turn(tool.quat_wxyz, cube.quat_wxyz)
        above = float(tool.position[2]) - z
        slack = 1.0 if arm.opening() > self.OPEN else 2.0
        there = away < 0.01 * slack and abs(above) < 0.012 * slack and abs(turn) < 0.15 * slack
        if there:
            return None if held else Goal(np.array([x, y, z]), opening=arm.opening_at(self.CLOSED_M))
        funnel = 2.0 * max(away - 0.006, 0.0) + 0.1 * max(abs(turn) - 0.1, 0.0)
        return Goal(np.array([x, y, z + min(funnel, 0.12)]), turn if away < self.IN_SIGHT else 0.0)

    def _turn(self, tool_wxyz: Vector, cube_wxyz: Vector) -> float:
        """Return the shorter turn that lines the fingers up with two sides of the cube, rad."""
        return self.shortest_turn(ARM, yaw_of(cube_wxyz) - yaw_of(tool_wxyz), 0.5 * math.pi)


class CarryExpert(GraspExpert, abc.ABC):
    """Grasps a cube, brings it to a spot over whatever stands around that, and lets it go there."""

    CLOSED_M = 0.028
    """No firmer than need be: what opens at 0.1 m/s from where it was sent lets go of the cube sooner."""
    HIGH = 0.01
    """Keeps the fingertips off what the cube is set down on."""
    GENTLE = 0.35
    """Share of its speed at which a cube comes down on its spot."""

    def bring(self, cube: Pose, spot: Vector, *, clear: float, near: float) -> Goal:
        """Return where to go with a held cube so that it comes down on a spot.

        Args:
            cube: Its pose in the world.
            spot: Where its middle should get to (3,), m.
            clear: How far above the spot it travels, m.
            near: Within this distance of the spot, seen from above, it may be as low as the spot, m.
        """
        way = spot - cube.position
        away = math.hypot(way[0], way[1])
        way[2] += min(3.0 * max(away - near, 0.0), clear)
        if way[2] > 0.02:
            way[:2] = 0.0
        speed = self.GENTLE if away < near else 1.0
        arm = self._arms[ARM]
        return Goal(arm.tool().position + way, opening=arm.opening_at(self.CLOSED_M), speed=speed)

    def let_go(self, cube: Pose, spot: Vector, free: bool) -> Goal:
        """Return where to go to open the fingers with a cube at its spot, and up once it is `free` of them."""
        way = np.array([0.0, 0.0, 0.1]) if free else spot - cube.position
        return Goal(self._arms[ARM].tool().position + way)
