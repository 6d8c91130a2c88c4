"""Copying rows out of replay fast: one `take` into memory that is used again once nobody holds it."""

import sys

import numpy as np
from numpy.typing import NDArray

from robolearn.core.types import Array

_POOLED_BYTES = 1 << 16
_BUFFERS_PER_SHAPE = 6


class Pool:
    """Large result arrays, handed out again only when the last reference to them and their views is gone.

    A fresh array of some megabytes costs about as much in page faults as filling it; batches come and go at a fixed
    size, so their memory can be kept.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[tuple[int, ...], str], list[Array]] = {}

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """Return an uninitialised array that nobody else holds."""
        if int(np.prod(shape)) * dtype.itemsize < _POOLED_BYTES:
            return np.empty(shape, dtype)
        buffers = self._buffers.setdefault((shape, dtype.str), [])
        for position in range(len(buffers)):
            if _references(buffers, position) == _UNUSED:
                return buffers[position]
        fresh = np.empty(shape, dtype)
        if len(buffers) < _BUFFERS_PER_SHAPE:
            buffers.append(fresh)
        return fresh

    def take(self, column: Array, rows: NDArray[np.integer]) -> Array:
        """Return `column[rows]` for an index array of any shape; the caller owns the result."""
        out = self.empty((*rows.shape, *column.shape[1:]), column.dtype)
        # mode="clip" writes straight to `out`; the default copies through a buffer.
        return np.take(column, rows, axis=0, out=out, mode="clip")


def _references(buffers: list[Array], position: int) -> int:
    return sys.getrefcount(buffers[position])


_UNUSED = _references([np.empty(1)], 0)
