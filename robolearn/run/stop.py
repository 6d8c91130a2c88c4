"""When a run ends: solved, out of budget, or asked to."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Self


@dataclass(kw_only=True, slots=True)
class StopRule:
    """Solved when `consecutive` checks in a row reach `threshold`."""

    threshold: float
    consecutive: int
    history: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Success rate and mean return of every check."""

    def add(self, success: float, total: float) -> None:
        """Note the success rate and the mean return of a check."""
        self.history.append((success, total))

    @property
    def best(self) -> bool:
        """Return whether no check was better than the last one: by success, then by return, which is all that some tasks have."""
        return self.history[-1] == max(self.history)

    @property
    def solved(self) -> bool:
        """Return whether the rule is met."""
        recent = self.history[-self.consecutive :]
        return len(recent) == self.consecutive and min(recent)[0] >= self.threshold


class StopSignals:
    """While entered, SIGINT and SIGTERM only set `received`; a second SIGINT interrupts at once as usual."""

    def __init__(self) -> None:
        self.received: str | None = None
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name
