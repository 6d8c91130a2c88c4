"""Time: clocks that pace a control loop, and the small counters that schedule work in it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from robolearn.core.errors import ConfigError


class SimClock:
    """Time that passes only when `wait` is called; each wait advances a simulation by one period."""

    def __init__(self, period_s: float, advance: Callable[[float], None]) -> None:
        self.period_s = _positive_period(period_s)
        self.clock_id = "sim"
        self._advance = advance
        self._now_ns = 0

    def now_ns(self) -> int:
        """Return simulated time in ns since `reset`."""
        return self._now_ns

    def wait(self) -> float:
        """Advance the simulation by one period; return the lateness, always 0.0 s."""
        self._advance(self.period_s)
        self._now_ns += round(self.period_s * 1e9)
        return 0.0

    def reset(self, now_ns: int = 0) -> None:
        """Start counting at `now_ns`; used by episode resets and snapshots."""
        self._now_ns = now_ns


class WallClock:
    """Real time by an absolute schedule: lateness of one period is not carried into the next.

    After a wait that is more than one period late the schedule restarts from now, so that a hiccup never leads to a
    burst of catch-up steps.
    """

    def __init__(
        self,
        period_s: float,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.period_s = _positive_period(period_s)
        self.clock_id = "monotonic"
        self.misses = 0
        self._now_ns = now_ns
        self._sleep = sleep
        self._due_ns = now_ns()

    def now_ns(self) -> int:
        """Return monotonic time in ns."""
        return self._now_ns()

    def wait(self) -> float:
        """Sleep until the next tick; return how late this call came, in s, 0.0 if it was in time."""
        self._due_ns += round(self.period_s * 1e9)
        ahead_ns = self._due_ns - self._now_ns()
        if ahead_ns >= 0:
            self._sleep(ahead_ns * 1e-9)
            return 0.0
        self.misses += 1
        late_s = -ahead_ns * 1e-9
        if late_s > self.period_s:
            self._due_ns = self._now_ns()
        return late_s

    def reset(self, now_ns: int = 0) -> None:
        """Restart the schedule from the present; real time cannot be set, so `now_ns` is ignored."""
        del now_ns
        self._due_ns = self._now_ns()


@dataclass(slots=True)
class Every:
    """True once per `interval` of a growing count, catching up by skipping.

    >>> every = Every(10)
    >>> [every(n) for n in (0, 4, 10, 11, 35, 36)]
    [False, False, True, False, True, False]
    """

    interval: float
    due: float = -1.0

    def __call__(self, count: float) -> bool:
        """Return whether an interval has passed since it last did; never if the interval is 0 or less."""
        if self.interval <= 0:
            return False
        if self.due < 0:
            self.due = self.interval
        if count < self.due:
            return False
        self.due = (count // self.interval + 1) * self.interval
        return True


@dataclass(slots=True)
class Until:
    """True while a count is below `limit`; always true if the limit is 0."""

    limit: float

    def __call__(self, count: float) -> bool:
        """Return whether there is work left."""
        return self.limit <= 0 or count < self.limit


@dataclass(slots=True)
class Ratio:
    """How many times to do something per step so that the long-run ratio is exact.

    >>> ratio = Ratio(0.5)
    >>> [ratio(step) for step in (1, 2, 3, 4)]
    [0, 1, 0, 1]
    """

    ratio: float
    done: int = 0

    def __call__(self, count: int) -> int:
        """Return how many repeats are due at `count`, and take them as done."""
        due = int(count * self.ratio) - self.done
        self.done += max(due, 0)
        return max(due, 0)


def _positive_period(period_s: float) -> float:
    if not 0.0 < period_s < math.inf:
        raise ConfigError("clock period", expected="a finite number of seconds above 0", got=period_s)
    return period_s
