"""Four walls around a square opening, as of a bin or a hole."""

import math
from collections.abc import Sequence

import numpy as np

from robolearn.core.geometry import quat_from_rotvec, quat_rotate
from robolearn.envs.sim.scene import Body


def add_walls(
    body: Body,
    edges: tuple[float, float],
    heights: tuple[float, float],
    *,
    colour: Sequence[float],
    friction: float = 1.0,
    solid: bool = True,
) -> None:
    """Add four equal boxes that stand in a square around the z axis of `body`, each reaching over one corner.

    Args:
        body: What they belong to.
        edges: Half the inner and half the outer edge of the square, m.
        heights: Of the lower and upper side, m.
        colour: (r, g, b) in [0, 1].
        friction: Sliding.
        solid: Whether anything can touch them.
    """
    (inner, outer), (low, high) = edges, heights
    half = np.array([0.5 * (outer - inner), 0.5 * (outer + inner), 0.5 * (high - low)])
    middle = np.array([0.5 * (outer + inner), 0.5 * (outer - inner), 0.5 * (high + low)])
    for side in range(4):
        turn = quat_from_rotvec(np.array([0.0, 0.0, 0.5 * math.pi * side]))
        position = quat_rotate(turn, middle).tolist()
        body.shape(half.tolist(), position, colour=colour, quat_wxyz=turn.tolist(), friction=friction, solid=solid)
