"""Where the time of a run goes."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Seconds by name; only the time inside `running` counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Count the time of the block under `name`."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start

    def rename(self, old: str, new: str) -> None:
        """Move what was counted under `old` to `new`."""
        self.seconds[new] = self.seconds.get(new, 0.0) + self.seconds.pop(old, 0.0)

    def total(self, *names: str) -> float:
        """Return the sum over `names`."""
        return sum(self.seconds.get(name, 0.0) for name in names)

    def load(self, seconds: Mapping[str, float]) -> None:
        """Go on counting from saved `seconds`."""
        self.seconds = dict(seconds)
