"""Statistics of success rates."""

import math


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a success rate: honest for few episodes and near 0 and 1.

    Args:
        successes: Solved episodes, 0 to `n`.
        n: Episodes; 0 gives (0, 1).
        z: Normal quantile; 1.96 is 95 %.

    Source: Wilson (1927), J. Am. Stat. Assoc. 22.

    >>> low, high = wilson(19, 20)
    >>> round(low, 3), round(high, 3)
    (0.764, 0.991)
    """
    if n <= 0:
        return 0.0, 1.0
    rate = successes / n
    scale = 1.0 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z * math.sqrt(rate * (1.0 - rate) / n + z * z / (4 * n * n)) / scale
    # at 0 and n the interval touches the edge exactly; rounding must not move it past the rate
    low = 0.0 if successes <= 0 else centre - half
    high = 1.0 if successes >= n else centre + half
    return low, high
