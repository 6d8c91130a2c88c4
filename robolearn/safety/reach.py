"""Where the tool of an arm is, from its joint angles alone; plain floats, as it is asked several times a command."""

import math
from collections.abc import Sequence

from robolearn.core.robot import RobotSpec
from robolearn.safety.motion import Triple


class Reach:
    """The way from an arm's base to its tool. Source: Craig, "Introduction to Robotics", 3rd ed., eq. 3.6.

    Args:
        spec: With `links`.
    """

    def __init__(self, spec: RobotSpec) -> None:
        self._links = [(a, math.cos(alpha), math.sin(alpha), d) for a, alpha, d in spec.links]
        self._tool_m = spec.tool_m

    def tool(self, q: Sequence[float]) -> Triple:
        """Return the position of the tool in the base, m, for joint angles (n,) rad."""
        x, y, z = 0.0, 0.0, self._tool_m
        for angle, (a, cos_alpha, sin_alpha, d) in zip(reversed(q), reversed(self._links), strict=True):
            c, s = math.cos(angle), math.sin(angle)
            turned_x, turned_y, lifted = c * x - s * y, s * x + c * y, z + d
            x = turned_x + a
            y, z = cos_alpha * turned_y - sin_alpha * lifted, sin_alpha * turned_y + cos_alpha * lifted
        return x, y, z
