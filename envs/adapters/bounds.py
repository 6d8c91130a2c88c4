"""Between actions in [-1, 1] and the bounds that a simulation gives its own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robolearn.core.errors import ConfigError
from robolearn.core.types import Action


class ActionBounds:
    """The lowest and highest native action; an entry without bounds is taken as it is.

    Raises:
        ConfigError: If an entry has one bound only.
    """

    def __init__(self, low: ArrayLike, high: ArrayLike, shape: tuple[int, ...]) -> None:
        self._shape = shape
        lows, highs = (np.broadcast_to(np.asarray(bound, np.float64), shape).ravel() for bound in (low, high))
        bounded = np.isfinite(lows)
        if (bounded != np.isfinite(highs)).any():
            raise ConfigError("action bounds", expected="both bounds, or none", got=f"{low} to {high}")
        self.size = int(np.prod(shape))
        self._middle = np.where(bounded, 0.5 * (np.where(bounded, lows, 0.0) + np.where(bounded, highs, 0.0)), 0.0)
        self._half = np.where(bounded, 0.5 * (np.where(bounded, highs, 0.0) - np.where(bounded, lows, 0.0)), 1.0)

    def native(self, action: Action) -> NDArray[np.float64]:
        """Return an action in [-1, 1] (A,) in the simulation's own units and shape.

        >>> ActionBounds([0.0, -2.0], [1.0, 2.0], (2,)).native(np.float32([0.0, 0.5])).tolist()
        [0.5, 1.0]
        """
        return (self._middle + self._half * np.asarray(action, np.float64)).reshape(self._shape)
