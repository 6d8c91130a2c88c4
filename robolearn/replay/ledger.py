"""Which row follows which, which may be drawn, and which goes first when the store is full."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import ConfigError
from robolearn.replay.columns import DEMO, INTERVENED, LAST, SUCCESS, Columns

Rows = NDArray[np.int32]
GROUPS = ("any", "demo", "online", "intervention", "success")


class RowQueue:
    """A first-in, first-out list of rows with random access; grows by doubling."""

    def __init__(self, limit: int) -> None:
        self.starts = 0
        """How many of its rows have a successor, and so may be drawn."""
        self._limit = limit
        self._items = np.empty(min(64, limit), np.int32)
        self._first = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Return the bytes held."""
        return self._items.nbytes

    def append(self, row: int) -> None:
        """Add the newest row."""
        size = len(self._items)
        if self._count == size:
            grown = np.empty(min(2 * size, self._limit), np.int32)
            grown[:size] = self.at(np.arange(size))
            self._items, self._first, size = grown, 0, len(grown)
        self._items[(self._first + self._count) % size] = row
        self._count += 1

    def oldest(self) -> int:
        """Return the oldest row, or -1 if there is none."""
        return int(self._items[self._first]) if self._count else -1

    def pop(self) -> int:
        """Remove and return the oldest row."""
        row = int(self._items[self._first])
        self._first = (self._first + 1) % len(self._items)
        self._count -= 1
        return row

    def at(self, positions: NDArray[np.int64]) -> Rows:
        """Return the rows at `positions`, 0 being the oldest."""
        return self._items.take((self._first + positions) % len(self._items))

    def replace(self, rows: Rows, starts: int) -> None:
        """Hold `rows` and nothing else."""
        self._items = np.empty(max(min(64, self._limit), len(rows)), np.int32)
        self._items[: len(rows)] = rows
        self._first, self._count, self.starts = 0, len(rows), starts


class Counters:
    """A growing array of int32, one entry an episode."""

    def __init__(self, values: Rows | None = None) -> None:
        self._values = np.zeros(64, np.int32) if values is None else values
        self._size = 0 if values is None else len(values)

    def __len__(self) -> int:
        return self._size

    def __setitem__(self, key: int, value: int) -> None:
        self._values[key] = value

    @property
    def values(self) -> Rows:
        """Return the entries, by episode; a view."""
        return self._values[: self._size]

    def append(self, value: int) -> None:
        """Add an entry."""
        if self._size == len(self._values):
            self._values = np.concatenate([self._values, np.zeros(max(64, self._size), np.int32)])
        self._values[self._size] = value
        self._size += 1


@dataclass(slots=True, frozen=True)
class Tail:
    """The newest row of a stream whose episode goes on."""

    slot: int
    index: int
    episode: int
    t: int


class Ledger:
    """The order of the rows in `columns`.

    Rows are written to slots in the order in which they come, streams interleaved; `following` links each to the next
    of its stream. When all slots are taken, the oldest row that is not a demonstration is given up. A row is always
    older than its successor, so no link ever points to a row that is gone. Order depends only on the rows that are
    there, so that a store read back from disk draws the same batches.
    """

    def __init__(self, columns: Columns) -> None:
        capacity = columns.capacity
        self.columns = columns
        self.used = 0
        self.next_index = 0
        self.following = np.full(capacity, -1, np.int32)
        self.online, self.demo = RowQueue(capacity), RowQueue(capacity)
        self.online_intervened, self.demo_intervened = RowQueue(capacity), RowQueue(capacity)
        self.lengths, self.heads, self.wins = Counters(), Counters(), Counters()
        self._won_starts = 0
        self.tails: dict[int, Tail] = {}

    @property
    def full(self) -> bool:
        """Return whether the next row takes the place of another."""
        return self.used == self.columns.capacity

    @property
    def nbytes(self) -> int:
        """Return the bytes of all links and lists."""
        queues = (self.online, self.demo, self.online_intervened, self.demo_intervened)
        tables = self.lengths.values.nbytes + self.heads.values.nbytes + self.wins.values.nbytes
        return self.following.nbytes + sum(q.nbytes for q in queues) + tables

    def queues(self, group: str) -> tuple[RowQueue, ...]:
        """Return the lists among whose rows are those of `group`, one of `GROUPS`.

        Only `success` is a part of its list: the online rows for which `won` holds.
        """
        match group:
            case "any":
                return (self.demo, self.online)
            case "demo":
                return (self.demo,)
            case "online" | "success":
                return (self.online,)
            case _:
                return (self.demo_intervened, self.online_intervened)

    def starts(self, group: str) -> int:
        """Return how many rows of `group` have a successor."""
        if group == "success":
            return self._won_starts
        return sum(queue.starts for queue in self.queues(group))

    def won(self, slots: Rows) -> NDArray[np.bool_]:
        """Return which of `slots` belong to an episode that has ended in success."""
        return self.wins.values.take(self.columns.episode.take(slots)) > 0

    def oldest(self) -> int:
        """Return the index of the next row to go, or of the next to come if there is none."""
        slot = self.online.oldest()
        return self.next_index if slot < 0 else int(self.columns.index[slot])

    def tail(self, stream: int) -> Tail | None:
        """Return the row that the next one of `stream` follows, None at a start, after a gap or if it is gone."""
        tail = self.tails.get(stream)
        if tail is None or self.columns.index[tail.slot] != tail.index:
            return None
        return tail

    def claim(self) -> int:
        """Return a slot to write to, giving up the oldest row if all are taken.

        Raises:
            ConfigError: If demonstrations, which are never given up, fill the whole store.
        """
        if not self.full:
            self.used += 1
            return self.used - 1
        if not len(self.online):
            fix = "raise the replay capacity"
            expected = f"room beside {len(self.demo):,} rows of demonstrations, which are never dropped"
            raise ConfigError("replay capacity", expected=expected, got=f"{self.columns.capacity:,} rows", fix=fix)
        slot = self.online.pop()
        linked = self.following[slot] >= 0
        self.online.starts -= int(linked)
        if self.online_intervened.oldest() == slot:
            self.online_intervened.pop()
            self.online_intervened.starts -= int(linked)
        episode = int(self.columns.episode[slot])
        self._won_starts -= int(linked and self.wins.values[episode] > 0)
        self.heads[episode] = int(self.columns.t[slot]) + 1
        self.columns.index[slot] = -1
        return slot

    def locate(self, stream: int, is_first: bool) -> tuple[int, int]:
        """Return (episode, t) of the next row of `stream`; call after `claim`, which may end its episode."""
        tail = None if is_first else self.tail(stream)
        if tail is not None:
            return tail.episode, tail.t + 1
        self.tails.pop(stream, None)
        self.lengths.append(0)
        self.heads.append(0)
        self.wins.append(0)
        return len(self.lengths) - 1, 0

    def enter(self, slot: int, stream: int) -> None:
        """Take the row just written to `slot` into the order."""
        columns, index = self.columns, self.next_index
        episode, t = int(columns.episode[slot]), int(columns.t[slot])
        self.following[slot] = -1
        self.lengths[episode] = t + 1
        before = self.tails.get(stream)
        if before is not None:
            self.following[before.slot] = slot
            for queue in self._queues_of(before.slot):
                queue.starts += 1
        for queue in self._queues_of(slot):
            queue.append(slot)
        if columns.flags[slot] & LAST:
            self.tails.pop(stream, None)
            self._note_success(slot, episode)
        else:
            self.tails[stream] = Tail(slot, index, episode, t)
        self.next_index = index + 1

    def _note_success(self, last: int, episode: int) -> None:
        if self.columns.flags[last] & SUCCESS:
            self.wins[episode] = 1
            if self.columns.source[last] != DEMO:
                self._won_starts += int(self.lengths.values[episode] - self.heads.values[episode]) - 1

    def remaining(self, slots: Rows) -> NDArray[np.int32]:
        """Return how many rows follow each of `slots` in its episode."""
        return self.lengths.values.take(self.columns.episode.take(slots)) - self.columns.t.take(slots) - 1

    def in_order(self, episode: int) -> Rows:
        """Return the slots of an episode's rows that are there, in order of time."""
        rows = np.flatnonzero((self.columns.episode[: self.used] == episode) & (self.columns.index[: self.used] >= 0))
        return rows[np.argsort(self.columns.t[rows])].astype(np.int32)

    def rebuild(self, used: int, next_index: int, episodes: int, open_streams: dict[int, int]) -> None:
        """Derive everything anew from the rows in slots [0, used), whatever their order.

        Args:
            used: How many slots hold rows.
            next_index: Index of the next row to come.
            episodes: How many episodes were ever started.
            open_streams: Episode that goes on, by stream.
        """
        columns = self.columns
        self.used, self.next_index = used, next_index
        columns.index[used:] = -1
        episode, t = columns.episode[:used], columns.t[:used]
        order = np.lexsort((t, episode)).astype(np.int32)
        joined = (np.diff(episode[order]) == 0) & (np.diff(t[order]) == 1)
        self.following.fill(-1)
        self.following[order[:-1][joined]] = order[1:][joined]
        lengths, heads = np.zeros(episodes, np.int32), np.full(episodes, np.iinfo(np.int32).max, np.int32)
        np.maximum.at(lengths, episode, t + 1)
        np.minimum.at(heads, episode, t)
        wins = np.zeros(episodes, np.int32)
        last_of_win = (columns.flags[:used] & (LAST | SUCCESS)) == (LAST | SUCCESS)
        wins[episode[last_of_win]] = 1
        self.lengths, self.heads, self.wins = Counters(lengths), Counters(heads), Counters(wins)
        demo = columns.source[:used] == DEMO
        self._won_starts = int((~demo & (wins[episode] > 0) & (self.following[:used] >= 0)).sum())
        intervened = (columns.flags[:used] & INTERVENED) > 0
        by_age = np.argsort(columns.index[:used]).astype(np.int32)
        for queue, mine in (
            (self.demo, demo),
            (self.online, ~demo),
            (self.demo_intervened, demo & intervened),
            (self.online_intervened, ~demo & intervened),
        ):
            rows = by_age[mine[by_age]]
            queue.replace(rows, int((self.following[rows] >= 0).sum()))
        self.tails = {}
        for stream, open_episode in open_streams.items():
            slot = int(self.in_order(open_episode)[-1])
            self.tails[stream] = Tail(slot, int(columns.index[slot]), open_episode, int(columns.t[slot]))

    def _queues_of(self, slot: int) -> tuple[RowQueue, ...]:
        is_demo = self.columns.source[slot] == DEMO
        everything, intervened = (self.demo, self.demo_intervened) if is_demo else (self.online, self.online_intervened)
        return (everything, intervened) if self.columns.flags[slot] & INTERVENED else (everything,)
