"""Statistics of columns that are never in memory as a whole."""

import numpy as np
from numpy.typing import NDArray


class RunningStats:
    """Minimum, maximum, mean and standard deviation of rows that come in blocks (Chan et al., 1979).

    >>> stats = RunningStats()
    >>> stats.add(np.array([[1.0], [2.0]]))
    >>> stats.add(np.array([[6.0]]))
    >>> stats.summary()["mean"], [round(x, 3) for x in stats.summary()["std"]], stats.summary()["count"]
    ([3.0], [2.16], [3])
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._square = np.zeros(0)
        self._low = self._high = np.zeros(0)

    def add(self, rows: NDArray[np.floating]) -> None:
        """Take a block of rows (N, n), N of at least 1."""
        count, mean = len(rows), rows.mean(axis=0)
        square = ((rows - mean) ** 2).sum(axis=0)
        if self._count == 0:
            self._mean, self._square = mean, square
            self._low, self._high = rows.min(axis=0), rows.max(axis=0)
        else:
            total, shift = self._count + count, mean - self._mean
            self._square = self._square + square + shift**2 * (self._count * count / total)
            self._mean = self._mean + shift * (count / total)
            self._low, self._high = np.minimum(self._low, rows.min(axis=0)), np.maximum(self._high, rows.max(axis=0))
        self._count += count

    def summary(self, *, image: bool = False) -> dict[str, list[object]]:
        """Return min, max, mean, std (n,) and count (1,); those of images as (3, 1, 1)."""
        values = {
            "min": self._low,
            "max": self._high,
            "mean": self._mean,
            "std": np.sqrt(self._square / max(self._count, 1)),
        }
        shaped = {name: (value.reshape(-1, 1, 1) if image else value).tolist() for name, value in values.items()}
        return {**shaped, "count": [self._count]}
