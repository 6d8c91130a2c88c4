"""Pictures made of numbers: textures and moving pictures that need no file."""

import cv2
import numpy as np
from numpy.typing import NDArray

KINDS = ("plain", "noise", "gradient", "checkers")


def pattern(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return a random texture (H, W, 3): one colour, smooth noise, a gradient, or checkers."""
    low, high = 255.0 * rng.uniform(size=(2, 3))
    kind = KINDS[int(rng.integers(len(KINDS)))]
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    if kind == "noise":
        share = smooth(rng, height, width, cells=int(rng.integers(3, 24)))
    elif kind == "gradient":
        share = rows if rng.uniform() < 0.5 else columns
    elif kind == "checkers":
        cells = int(rng.integers(2, 16))
        share = (np.floor(rows * cells) + np.floor(columns * cells)) % 2
    else:
        share = np.zeros((height, width))
    return (low + (high - low) * share[..., None]).astype(np.uint8)


def smooth(rng: np.random.Generator, height: int, width: int, cells: int) -> NDArray[np.float64]:
    """Return smooth noise (H, W) in [0, 1] with about `cells` bumps along each side."""
    coarse = rng.uniform(size=(max(cells, 2), max(cells, 2))).astype(np.float32)
    return np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), 0.0, 1.0).astype(np.float64)
