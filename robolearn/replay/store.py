"""The one store of steps."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from robolearn.core.errors import ConfigError, DataError, RobolearnError, SpecError
from robolearn.core.learning import BatchSpec
from robolearn.core.specs import ArraySpec, EnvSpec
from robolearn.core.types import Batch, Source, Step
from robolearn.replay.columns import DEMO, FIRST, LAST, Columns, layout
from robolearn.replay.derived import Derived
from robolearn.replay.disk import Disk, Mark
from robolearn.replay.gather import Pool
from robolearn.replay.ledger import GROUPS, Ledger
from robolearn.replay.views import Reader

_PENDING_BYTES = 8 << 20


class Replay:
    """A `StepSink` that keeps the newest `capacity` rows and all demonstrations, and draws batches from them.

    Steps of a stream (one actor's env row) follow each other until an episode ends or `cut` says that steps are
    missing; nothing that is drawn ever spans an episode edge, a gap or the newest row. Demonstrations (steps with
    `Source.DEMO`) are never dropped: when the store is full, the oldest other row goes.

    With a `directory`, rows are also written there, at the latest when their episode ends. Not thread-safe.
    """

    def __init__(
        self,
        spec: EnvSpec,
        capacity: int,
        *,
        rewards: Sequence[str] = ("task",),
        extra: Mapping[str, ArraySpec] | None = None,
        directory: Path | None = None,
    ) -> None:
        """Start an empty store.

        Args:
            spec: What the steps look like.
            capacity: Rows kept in memory; an episode of T actions takes T + 1.
            rewards: Names of the rewards to keep; `task` must be among them.
            extra: Further columns, filled from `Step.extra`; zeros where a step lacks one.
            directory: Where to keep the steps on disk; must not hold a store yet.

        Raises:
            ConfigError: If the capacity does not fit into memory.
            SpecError: If `task` is not among the rewards.
            DataError: If the directory holds a store already or cannot be written.
        """
        if capacity < 2:
            raise ConfigError("replay capacity", expected="at least 2 rows", got=capacity)
        self._columns = Columns(layout(spec, rewards, extra or {}), capacity)
        self._ledger = Ledger(self._columns)
        pool = Pool()
        self._derived = Derived(self._columns, pool)
        self._reader = Reader(columns=self._columns, ledger=self._ledger, derived=self._derived, pool=pool)
        self._pending: list[int] = []
        self._pending_limit = max(1, _PENDING_BYTES // self._columns.row_bytes)
        self._marks = 0
        self._disk = None if directory is None else Disk.create(directory, self._columns.specs, capacity)

    @classmethod
    def open(
        cls,
        directory: Path,
        spec: EnvSpec,
        capacity: int,
        *,
        rewards: Sequence[str] = ("task",),
        extra: Mapping[str, ArraySpec] | None = None,
    ) -> "Replay":
        """Go on with the store in `directory`: all that reached the disk is there.

        An episode that was in flight ends where its rows end; it is drawn from, but never across that end. For exact
        resume, call `rollback` next.

        Raises:
            DataError: If there is no store, a file is damaged (it is named, with the byte), or another process has it.
            SpecError: If the columns differ from those on disk.
            ConfigError: If the capacity does not fit into memory.
        """
        replay = cls(spec, capacity, rewards=rewards, extra=extra)
        replay._disk = Disk.open(directory, replay._columns.specs, capacity)
        replay._marks = max((mark["mark"] + 1 for mark in replay._disk.manifest.marks), default=0)
        try:
            replay._load(replay._disk)
        except RobolearnError:
            replay._disk.close()
            raise
        return replay

    def put(self, steps: Sequence[Step], stream: int) -> None:
        """Take consecutive steps of one stream, in order; see `add`."""
        for step in steps:
            self.add(step, stream)

    def add(self, step: Step, stream: int) -> None:
        """Copy one step in.

        A step that is not `is_first` follows the last one of its stream; where that one is missing (`cut`, the end of
        an episode, a restart), it starts a piece of its own.

        Raises:
            SpecError: If the step does not fit the spec, or its source changes to or from DEMO within an episode.
            ConfigError: If demonstrations fill the whole store.
            DataError: If the disk is full; the step is in memory then, and the next flush tries again.
        """
        ledger, columns = self._ledger, self._columns
        columns.check(step)
        tail = None if step.is_first else ledger.tail(stream)
        if tail is not None and (columns.source[tail.slot] == DEMO) != (step.source is Source.DEMO):
            fix = "mark the whole episode as a demonstration, or none of it"
            raise SpecError(
                "step source", expected="one kind in an episode", got=f"{step.source} in mid-episode", fix=fix
            )
        if self._disk and ledger.full and len(self._pending) >= len(ledger.online):
            self.flush()
        slot = ledger.claim()
        self._derived.forget(slot)
        episode, t = ledger.locate(stream, step.is_first)
        columns.write(slot, step, ledger.next_index, stream, episode, t)
        ledger.enter(slot, stream)
        if self._disk:
            self._pending.append(slot)
            if step.is_last or len(self._pending) >= self._pending_limit:
                self.flush()

    def cut(self, stream: int) -> None:
        """Say that the next step of `stream` does not follow the last one: steps were lost in between."""
        self._ledger.tails.pop(stream, None)

    def sample(self, batch: BatchSpec, rng: np.random.Generator) -> Batch:
        """Draw one batch, uniformly with replacement within each group of `batch.mix`.

        The keys are listed in `robolearn.replay`. The arrays are the caller's until it lets go of them; their memory is
        used again afterwards. Equal contents and generator states give equal batches, whatever happened before.

        Raises:
            SpecError: If the batch names a group, column or input that does not exist.
            DataError: If there is nothing to draw.
        """
        return self._reader.sample(batch, rng)

    def rows(self) -> dict[str, int]:
        """Return how many steps can be drawn, by group: any, demo, online, intervention."""
        return {group: self._ledger.starts(group) for group in GROUPS}

    def __len__(self) -> int:
        """Return how many rows are in memory, last observations included."""
        return self._ledger.used

    @property
    def nbytes(self) -> int:
        """Return the bytes of all arrays and lists at full capacity, without derived columns."""
        return self._columns.nbytes + self._ledger.nbytes

    @property
    def row_bytes(self) -> int:
        """Return the bytes of one row, bookkeeping columns included."""
        return self._columns.row_bytes

    def episodes(self) -> list[int]:
        """Return the ids of the episodes in memory from first to last step, in the order in which they started."""
        columns, used = self._columns, self._ledger.used
        episode, flags = columns.episode[:used], columns.flags[:used]
        return np.intersect1d(episode[flags & FIRST > 0], episode[flags & LAST > 0]).tolist()

    def iterate(self, episode: int) -> Iterator[Step]:
        """Yield copies of the steps of an episode that are in memory, in order."""
        for slot in self._ledger.in_order(episode):
            yield self._columns.read(int(slot))

    def check(self, step: Step) -> None:
        """Check that a step can be stored.

        Raises:
            SpecError: If it does not fit the spec.
        """
        self._columns.check(step)

    def streams(self) -> list[int]:
        """Return the streams of all rows in memory."""
        return np.unique(self._columns.arrays["stream"][: self._ledger.used]).tolist()

    def newest(self, streams: range) -> Step | None:
        """Return a copy of the newest row of some streams, or None if none is in memory."""
        used = self._ledger.used
        stream = self._columns.arrays["stream"][:used].astype(np.int64)
        slots = np.flatnonzero((stream >= streams.start) & (stream < streams.stop))
        if not len(slots):
            return None
        return self._columns.read(int(slots[np.argmax(self._columns.index[slots])]))

    def of_stream(self, stream: int) -> Iterator[Step]:
        """Yield copies of the rows of a stream that are in memory, in order."""
        slots = np.flatnonzero(self._columns.arrays["stream"][: self._ledger.used] == stream)
        for slot in slots[np.argsort(self._columns.index[slots])]:
            yield self._columns.read(int(slot))

    def flush(self) -> None:
        """Hand all rows to the operating system; a killed process loses none of them.

        Raises:
            DataError: If the disk is full; nothing half-written is left.
        """
        if self._disk and self._pending:
            self._disk.append(self._columns, np.array(self._pending, np.int32))
            self._pending.clear()
            self._disk.trim(self._ledger.oldest())

    def close(self) -> None:
        """Flush and release the files; steps that come later stay in memory only. May be called twice."""
        if self._disk:
            try:
                self.flush()
            finally:
                self._disk.close()
                self._disk = None

    def mark(self) -> Mark:
        """Make all rows durable and return the place to which `rollback` can come back.

        The newest two marks can be returned to, from another process too; files that older ones need may go.

        Raises:
            DataError: If the disk is full or fails.
        """
        ledger = self._ledger
        self.flush()
        mark = {
            "mark": self._marks,
            "rows": ledger.next_index,
            "episodes": len(ledger.lengths),
            "oldest": ledger.oldest(),
            "capacity": self._columns.capacity,
        }
        for stream in sorted(ledger.tails):
            tail = ledger.tail(stream)
            if tail is not None:
                mark[f"open/{stream}"] = tail.episode
        if self._disk:
            self._disk.put_mark(mark, self._derived)
        self._marks += 1
        return mark

    def rollback(self, mark: Mapping[str, int]) -> None:
        """Drop all that was written after `mark`: batches drawn from now on equal those drawn after it, bit for bit.

        Episodes that were in flight at the mark go on. Derived columns go back to the rows that were known then; without
        a directory they are computed anew.

        Raises:
            DataError: If rows of the mark are gone, or the capacity is another; nothing is changed then.
        """
        mark = dict(mark)
        if mark["capacity"] != self._columns.capacity:
            fix = "resume with the capacity of the run"
            got = self._columns.capacity
            raise DataError("replay capacity", expected=mark["capacity"], got=got, fix=fix)
        if mark["rows"] > self._ledger.next_index:
            raise DataError("replay rollback", expected=f"{mark['rows']} rows", got=f"{self._ledger.next_index}")
        overwritten = self._ledger.oldest() > mark["oldest"] and mark["oldest"] < mark["rows"]
        if overwritten and not (self._disk and self._disk.holds(mark)):
            fix = "resume from one of the newest two checkpoints" if self._disk else "give replay a directory"
            raise DataError("replay rollback", expected="all rows of the mark", got="some overwritten", fix=fix)
        if self._disk:
            self.flush()
            self._disk.drop_marks(mark)
            self._disk.truncate(mark["rows"])
        if overwritten and self._disk:
            self._load(self._disk, mark)
        else:
            used = int((self._columns.index[: self._ledger.used] < mark["rows"]).sum())
            self._ledger.rebuild(used, mark["rows"], mark["episodes"], _open_streams(mark))
        self._marks = mark["mark"] + 1
        self._restore_derived(mark)

    def _load(self, disk: Disk, mark: Mark | None = None) -> None:
        columns = self._columns
        used = disk.load(columns)
        if mark is not None:
            self._ledger.rebuild(used, mark["rows"], mark["episodes"], _open_streams(mark))
            return
        next_index = int(columns.index[:used].max(initial=-1)) + 1
        episodes = int(columns.episode[:used].max(initial=-1)) + 1
        self._ledger.rebuild(used, next_index, episodes, {})

    def _restore_derived(self, mark: Mark) -> None:
        self._derived.clear()
        if self._disk is None:
            return
        live = self._columns.index[: self._ledger.used]
        for name, version, index, values in self._disk.derived_at(mark):
            order = np.argsort(live)
            slots = order[np.searchsorted(live, index, sorter=order)].astype(np.int32)
            self._derived.restore(name, version, values, slots)


def _open_streams(mark: Mark) -> dict[int, int]:
    """Return the episode in flight at `mark`, by stream."""
    return {int(key.removeprefix("open/")): value for key, value in mark.items() if key.startswith("open/")}
