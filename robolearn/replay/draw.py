"""Which rows a batch starts from: shares by source group, then uniformly among the rows that fit the view."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from robolearn.core.errors import DataError, SpecError, nearest
from robolearn.replay.ledger import GROUPS, Ledger, Rows

Accept = Callable[[Rows], NDArray[np.bool_]]
_PATIENCE = 8


def shares(mix: Mapping[str, float], available: Mapping[str, int], size: int) -> dict[str, int]:
    """Split `size` by the shares in `mix`, exactly, leaving out groups that have nothing.

    >>> shares({"demo": 0.5, "online": 0.5}, {"demo": 10, "online": 99}, 5)
    {'demo': 3, 'online': 2}
    >>> shares({"demo": 0.5, "online": 0.5}, {"demo": 10, "online": 0}, 4)
    {'demo': 4}

    Raises:
        SpecError: If a group is unknown.
        DataError: If no group of the mix has a row to draw.
    """
    for group in mix:
        if group not in GROUPS:
            raise SpecError("BatchSpec.mix", expected="known groups", got=repr(group), fix=nearest(group, GROUPS))
    weights = {g: w for g, w in mix.items() if w > 0 and available[g] > 0}
    if not weights:
        fix = "collect or load steps before drawing"
        raise DataError("replay", expected=f"a step of {', '.join(mix)} with a successor", got="none", fix=fix)
    total = sum(weights.values())
    exact = {group: size * weight / total for group, weight in weights.items()}
    counts = {group: int(value + 1e-9) for group, value in exact.items()}
    by_remainder = sorted(weights, key=lambda group: counts[group] - exact[group])
    for group in by_remainder[: size - sum(counts.values())]:
        counts[group] += 1
    return {group: count for group, count in counts.items() if count}


def draw(ledger: Ledger, mix: Mapping[str, float], size: int, accept: Accept, rng: np.random.Generator) -> Rows:
    """Draw `size` rows, with replacement, uniformly among those of each group that `accept` lets pass.

    Args:
        ledger: The order of the rows.
        mix: Share of each group, see `BatchSpec.mix`.
        size: B.
        accept: Maps slots (N,) to (N,) bool, false for rows without a successor. Where it passes no row of a group,
            any with a successor is drawn.
        rng: The only source of randomness.

    Returns:
        Slots (B,), those of one group side by side, in the order of `mix`.

    Raises:
        SpecError: If a group is unknown.
        DataError: If there is nothing to draw.
    """

    def accept_won(rows: Rows) -> NDArray[np.bool_]:
        return accept(rows) & ledger.won(rows)

    counts = shares(mix, {group: ledger.starts(group) for group in GROUPS}, size)
    fits = {group: accept_won if group == "success" else accept for group in counts}
    return np.concatenate([_draw_group(ledger, group, count, fits[group], rng) for group, count in counts.items()])


def _draw_group(ledger: Ledger, group: str, count: int, accept: Accept, rng: np.random.Generator) -> Rows:
    found = np.empty(0, np.int32)
    tries = count + count // 8 + 4
    for _ in range(_PATIENCE):
        rows = _rows_at(ledger, group, rng.integers(_total(ledger, group), size=tries))
        found = np.concatenate([found, rows[accept(rows)]])
        if len(found) >= count:
            return found[:count]
        tries *= 2
    rows = _rows_at(ledger, group, np.arange(_total(ledger, group)))
    accepted = rows[accept(rows)]
    rows = accepted if len(accepted) else rows[ledger.following[rows] >= 0]
    return np.concatenate([found, rows[rng.integers(len(rows), size=count - len(found))]])


def _total(ledger: Ledger, group: str) -> int:
    return sum(len(queue) for queue in ledger.queues(group))


def _rows_at(ledger: Ledger, group: str, positions: NDArray[np.int64]) -> Rows:
    queues = ledger.queues(group)
    if len(queues) == 1 or not len(queues[0]):
        return queues[-1].at(positions)
    first, second = queues
    if not len(second):
        return first.at(positions)
    rows = first.at(np.minimum(positions, len(first) - 1))
    beyond = positions >= len(first)
    rows[beyond] = second.at(positions[beyond] - len(first))
    return rows
