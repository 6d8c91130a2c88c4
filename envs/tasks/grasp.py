"""What tasks with a cube to be grasped share: who touches it, and how an expert takes it, carries it and lets it go."""

import abc
import math

import numpy as np

from robolearn.core.geometry import Pose, Vector
from robolearn.envs.sim.world import World
from robolearn.envs.tasks.base import ARM
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
    """Comes down along a funnel above a cube and closes, however the cube is turned: fingers line it up, or hold it by two edges."""

    OPEN = 0.95
    """Opening below which the fingers are taken to be closing, which is given up less easily than it is begun."""
    CLOSED_M = 0.0
    """How far apart the fingers are sent around the cube, m."""

    def grasp(self, cube: Pose, held: bool) -> Goal | None:
        """Return where to go next to hold a cube, or None once it is held.

        Args:
            cube: Its pose in the world.
            held: Whether the fingers hold it.
        """
        if held:
            return None
        arm = self._arms[ARM]
        way = cube.position - arm.tool().position
        away, above = math.hypot(way[0], way[1]), abs(float(way[2]))
        slack = 1.0 if arm.opening() > self.OPEN else 2.0
        if away < 0.01 * slack and above < 0.012 * slack:
            return Goal(cube.position, opening=arm.opening_at(self.CLOSED_M))
        return Goal(cube.position + np.array([0.0, 0.0, min(3.0 * max(away - 0.006, 0.0), 0.12)]))


class CarryExpert(GraspExpert, abc.ABC):
    """Grasps a cube, brings it to a spot over whatever stands around that, and lets it go there."""

    CLOSED_M = 0.028
    """No firmer than need be: what opens at 0.1 m/s from where it was sent lets go of the cube sooner."""
    RISE = 0.05
    """A cube that has to rise by less than this begins to move sideways as well, m."""
    GENTLE = 0.35
    """Share of its speed at which a cube comes off the table and down on its spot."""
    OFF = 0.035
    """Height of the middle of a cube that is off the table, m."""

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
        way[:2] *= min(max(1.0 - way[2] / self.RISE, 0.0), 1.0)
        speed = self.GENTLE if away < near or cube.position[2] < self.OFF else 1.0
        arm = self._arms[ARM]
        return Goal(arm.tool().position + way, opening=arm.opening_at(self.CLOSED_M), speed=speed)

    def let_go(self, cube: Pose, spot: Vector, free: bool) -> Goal:
        """Return where to go to open the fingers with a cube at its spot, and up once it is `free` of them."""
        way = np.array([0.0, 0.0, 0.1]) if free else spot - cube.position
        return Goal(self._arms[ARM].tool().position + way)
