"""The three ways to look at stored steps: transitions, sequences and action chunks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import SpecError, nearest
from robolearn.core.learning import BatchSpec, View
from robolearn.core.types import Array, Batch
from robolearn.replay.columns import DEMO, FIRST, INTERVENED, LAST, SUCCESS, TERMINAL, TRUNCATED, Columns
from robolearn.replay.derived import Derived
from robolearn.replay.draw import draw
from robolearn.replay.gather import Pool
from robolearn.replay.ledger import Ledger, Rows


@dataclass(kw_only=True, slots=True, frozen=True)
class Reader:
    """Draws batches from the parts of a store."""

    columns: Columns
    ledger: Ledger
    derived: Derived
    pool: Pool

    def sample(self, batch: BatchSpec, rng: np.random.Generator) -> Batch:
        """Draw one batch; see `Replay.sample`."""
        match batch.view:
            case View.TRANSITIONS:
                return self._transitions(batch, rng)
            case View.SEQUENCES:
                return self._sequences(batch, rng)
            case View.CHUNKS:
                return self._chunks(batch, rng)

    def _transitions(self, batch: BatchSpec, rng: np.random.Generator) -> Batch:
        """Look up to n steps ahead; near the end of what is there, fewer, but never none."""
        starts = self._draw(batch, rng)
        rows, reached = self._walk(starts, _positive("n_step", batch.n_step) + 1)
        ends, used = rows[:, -1], reached[:, 1:]
        powers = np.float32(batch.discount) ** np.arange(batch.n_step, dtype=np.float32)
        weights = used * powers
        steps = used.sum(axis=1)
        alive = (self.columns.flags.take(ends) & TERMINAL) == 0
        result = self._labels(starts)
        both = np.stack([starts, ends])
        for key in self._obs_keys(batch):
            pair = self.pool.take(self.columns.arrays[f"obs/{key}"], both)
            result[f"obs/{key}"], result[f"next_obs/{key}"] = pair[0], pair[1]
        result["action"] = self._take("action", starts)
        result["discount"] = (np.float32(batch.discount) ** steps * alive).astype(np.float32)
        for name in self._named("reward/"):
            rewards = self._take(name, rows[:, :-1]).astype(np.float32, copy=False)
            value = (rewards * weights).sum(axis=1, dtype=np.float32)
            result["reward" if name == "reward/task" else name] = value
        for name in self._named("extra/"):
            result[name] = self._take(name, starts)
        for column in batch.derived:
            copies = rng.integers(column.copies, size=both.shape, dtype=np.int32)
            pair = self.derived.sample(column, both, copies)
            result[f"derived/{column.name}"], result[f"next_derived/{column.name}"] = pair[0], pair[1]
        return result

    def _sequences(self, batch: BatchSpec, rng: np.random.Generator) -> Batch:
        """Take whole windows; of an episode that is shorter than one, all of it, padded."""
        starts = self._draw(batch, rng, _positive("length", batch.length))
        rows, reached = self._walk(starts, batch.length)
        flags = self.columns.flags.take(rows)
        result = self._labels(rows)
        for key in self._obs_keys(batch):
            result[f"obs/{key}"] = self._take(f"obs/{key}", rows)
        for name in ("action", *self._named("reward/"), *self._named("extra/")):
            result["reward" if name == "reward/task" else name] = self._take(name, rows)
        bits = {"is_first": FIRST, "is_last": LAST, "is_terminal": TERMINAL, "is_truncated": TRUNCATED}
        result |= {name: (flags & bit) > 0 for name, bit in bits.items()}
        result["mask"] = reached.astype(np.float32)
        for column in batch.derived:
            copies = rng.integers(column.copies, size=(len(rows), 1), dtype=np.int32)
            result[f"derived/{column.name}"] = self.derived.sample(column, rows, np.broadcast_to(copies, rows.shape))
        return result

    def _chunks(self, batch: BatchSpec, rng: np.random.Generator) -> Batch:
        """Take the actions of up to H steps from each start on; the observation only at the start."""
        starts = self._draw(batch, rng)
        rows, mask = self._walk(starts, _positive("horizon", batch.horizon), acting=True)
        result = self._labels(starts)
        for key in self._obs_keys(batch):
            result[f"obs/{key}"] = self._take(f"obs/{key}", starts)
        for name in self._named("extra/"):
            result[name] = self._take(name, starts)
        result["action"], result["mask"] = self._take("action", rows), mask.astype(np.float32)
        for column in batch.derived:
            copies = rng.integers(column.copies, size=starts.shape, dtype=np.int32)
            result[f"derived/{column.name}"] = self.derived.sample(column, starts, copies)
        return result

    def _draw(self, batch: BatchSpec, rng: np.random.Generator, length: int = 1) -> Rows:
        ledger = self.ledger

        def fits(rows: Rows) -> NDArray[np.bool_]:
            linked = ledger.following.take(rows) >= 0
            if length == 1:
                return linked
            heads = ledger.heads.values.take(self.columns.episode.take(rows))
            return linked & ((ledger.remaining(rows) >= length - 1) | (self.columns.t.take(rows) == heads))

        return draw(ledger, batch.mix, batch.size, fits, rng)

    def _walk(self, starts: Rows, count: int, *, acting: bool = False) -> tuple[Rows, NDArray[np.bool_]]:
        """Return (B, count) rows from `starts` on, and which of them are there; beyond the end the last one repeats.

        With `acting`, the end is the last row at which an action was taken.
        """
        rows = np.empty((len(starts), count), np.int32)
        reached = np.ones((len(starts), count), np.bool_)
        rows[:, 0] = starts
        for step in range(1, count):
            ahead = self.ledger.following.take(rows[:, step - 1])
            there = ahead >= 0
            if acting:
                there &= (self.columns.flags.take(ahead, mode="wrap") & LAST) == 0
            rows[:, step] = np.where(there, ahead, rows[:, step - 1])
            reached[:, step] = there
        return rows, reached

    def _labels(self, rows: Rows) -> Batch:
        flags = self.columns.flags.take(rows)
        return {
            "index": self._take("index", rows),
            "is_demo": (self.columns.source.take(rows) == DEMO).astype(np.float32),
            "intervened": ((flags & INTERVENED) > 0).astype(np.float32),
            "success": ((flags & SUCCESS) > 0).astype(np.float32),
            "won": self.ledger.won(rows).astype(np.float32),
        }

    def _take(self, name: str, rows: Rows) -> Array:
        return self.pool.take(self.columns.arrays[name], rows)

    def _named(self, prefix: str) -> list[str]:
        return [name for name in self.columns.arrays if name.startswith(prefix)]

    def _obs_keys(self, batch: BatchSpec) -> list[str]:
        known = [name.removeprefix("obs/") for name in self._named("obs/")]
        for key in batch.columns or ():
            if key not in known:
                raise SpecError("BatchSpec.columns", expected="stored obs keys", got=repr(key), fix=nearest(key, known))
        return known if batch.columns is None else list(batch.columns)


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise SpecError(f"BatchSpec.{name}", expected="at least 1", got=value)
    return value
