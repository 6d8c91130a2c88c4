"""Derived columns: features that replay computes from stored rows when they are first needed, and keeps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import SpecError, nearest
from robolearn.core.learning import DerivedColumn
from robolearn.core.types import Array
from robolearn.replay.columns import Columns
from robolearn.replay.gather import Pool
from robolearn.replay.ledger import Rows

BLOCK = 256
"""Rows handed to a column's function at once; a block that is not full is filled up with further missing rows."""


@dataclass(kw_only=True, slots=True)
class Cache:
    """The values of one derived column, by slot."""

    version: int
    values: NDArray[np.float32]
    """(capacity, copies, *shape)."""
    known: NDArray[np.bool_]
    """(capacity,): which rows are computed."""

    def fits(self, column: DerivedColumn) -> bool:
        """Return whether the values are those of `column` as it is now."""
        return self.version == column.version and self.values.shape[1:] == (column.copies, *column.shape)


class Derived:
    """All derived columns of a store."""

    def __init__(self, columns: Columns, pool: Pool) -> None:
        self.caches: dict[str, Cache] = {}
        self._columns = columns
        self._pool = pool

    @property
    def nbytes(self) -> int:
        """Return the bytes of all caches at full capacity."""
        return sum(cache.values.nbytes + cache.known.nbytes for cache in self.caches.values())

    def forget(self, slot: int) -> None:
        """Drop what is known of a row that is about to be overwritten."""
        for cache in self.caches.values():
            cache.known[slot] = False

    def clear(self) -> None:
        """Drop everything."""
        self.caches.clear()

    def snapshot(self, name: str) -> tuple[NDArray[np.int64], Array]:
        """Return the index (N,) and the values (N, copies, ...) of all rows known, in order of their index."""
        cache = self.caches[name]
        slots = np.flatnonzero(cache.known & (self._columns.index >= 0))
        slots = slots[np.argsort(self._columns.index[slots])]
        return self._columns.index[slots], cache.values[slots]

    def restore(self, name: str, version: int, values: Array, slots: Rows) -> None:
        """Put back values (N, copies, ...) of the rows that are now in `slots`, and know no others."""
        cache = self._allocate(version, values.shape[1:])
        cache.values[slots] = values
        cache.known[slots] = True
        self.caches[name] = cache

    def sample(self, column: DerivedColumn, slots: Rows, copies: Rows) -> Array:
        """Return values of `slots` (any shape), of each the copy named in `copies` (same shape).

        Raises:
            SpecError: If an input is unknown or the function returns another shape.
        """
        cache = self._current(column, slots.ravel())
        flat = cache.values.reshape(-1, *column.shape)
        return self._pool.take(flat, slots.astype(np.int64) * column.copies + copies)

    def _current(self, column: DerivedColumn, slots: Rows) -> Cache:
        cache = self.caches.get(column.name)
        if cache is None or not cache.fits(column):
            cache = self.caches[column.name] = self._allocate(column.version, (column.copies, *column.shape))
        known = cache.known.take(slots)
        if not known.all():
            self._compute(column, cache, np.unique(slots[~known]))
        return cache

    def _compute(self, column: DerivedColumn, cache: Cache, needed: Rows) -> None:
        """Compute the rows `needed` and fill the last block up with the oldest others that are missing."""
        index = self._columns.index
        room = -len(needed) % BLOCK
        missing = ~cache.known & (index >= 0)
        missing[needed] = False
        others = np.flatnonzero(missing)
        others = others[np.argsort(index[others])][:room]
        slots = np.concatenate([needed[np.argsort(index[needed])], others]).astype(np.int32)
        for start in range(0, len(slots), BLOCK):
            block = slots[start : start + BLOCK]
            cache.values[block] = self._evaluate(column, block)
            cache.known[block] = True

    def _evaluate(self, column: DerivedColumn, slots: Rows) -> Array:
        arrays = self._columns.arrays
        for name in column.inputs:
            if name not in arrays:
                fix = nearest(name, arrays)
                raise SpecError(f"derived column '{column.name}'", expected="stored inputs", got=repr(name), fix=fix)
        values = column.fn({name: self._pool.take(arrays[name], slots) for name in column.inputs})
        expected = (len(slots), column.copies, *column.shape)
        if values.shape != expected or values.dtype != np.float32:
            got = f"{values.dtype} {values.shape}"
            raise SpecError(
                f"derived column '{column.name}'", expected=f"float32 {expected} = (N, copies, ...)", got=got
            )
        return values

    def _allocate(self, version: int, shape: tuple[int, ...]) -> Cache:
        capacity = self._columns.capacity
        values = np.empty((capacity, *shape), np.float32)
        return Cache(version=version, values=values, known=np.zeros(capacity, np.bool_))
