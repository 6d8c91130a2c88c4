"""Where things on the table stand: upright poses, pairs of random places, and yaws of what is square."""

import math

import numpy as np

from robolearn.core.geometry import Pose, Vector, quat_from_rotvec
from robolearn.envs.tasks.base import yaw_of


def flat(x: float, y: float, z: float, yaw: float) -> Pose:
    """Return an upright pose turned by `yaw`, m and rad."""
    return Pose(np.array([x, y, z]), quat_from_rotvec(np.array([0.0, 0.0, yaw])))


def symmetric_yaw(pose: Pose) -> list[float]:
    """Return (sin, cos) of four times the yaw of something that looks the same after a quarter turn."""
    yaw = yaw_of(pose.quat_wxyz)
    return [math.sin(4.0 * yaw), math.cos(4.0 * yaw)]


def pair(
    rng: np.random.Generator, centre: tuple[float, float], middle_range: float, apart: tuple[float, float]
) -> tuple[Vector, Vector]:
    """Return two random points (2,), m, in a random direction from each other.

    Args:
        rng: The only source of randomness.
        centre: Where the point midway between them lies on average, m.
        middle_range: Edge of the square in which that point lies, m.
        apart: Least and largest distance between the two, m.
    """
    middle = np.array(centre) + rng.uniform(-0.5, 0.5, 2) * middle_range
    angle = rng.uniform(-math.pi, math.pi)
    half = 0.5 * rng.uniform(*apart) * np.array([math.cos(angle), math.sin(angle)])
    return middle + half, middle - half
