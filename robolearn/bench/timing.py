"""Timing pieces of code in turns, so that what the machine does meanwhile meets all of them."""

import time
from collections.abc import Callable, Sequence


def alternate(
    blocks: Sequence[Callable[[], object]], seconds: float, before: Callable[[], object] = lambda: None
) -> list[list[float]]:
    """Time `blocks` in turns for about `seconds` altogether, after one turn of warm-up; return the s of every call.

    Args:
        blocks: What to time.
        seconds: How long, at least three turns.
        before: Called before each block, untimed.
    """
    times: list[list[float]] = [[] for _ in blocks]
    end = time.perf_counter() + seconds
    warm = False
    while not warm or time.perf_counter() < end or len(times[0]) < 3:
        for block, taken in zip(blocks, times, strict=True):
            before()
            start = time.perf_counter()
            block()
            if warm:
                taken.append(time.perf_counter() - start)
        warm = True
    return times
