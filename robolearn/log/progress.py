"""Live display of a training run, and a plain progress bar; both fall back to a few lines where there is no terminal."""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self, SupportsFloat

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

SPARKS = "▁▂▃▄▅▆▇█"
REFRESH_S = 0.25
LINE_EVERY_S = 10.0
WINDOW = 20
"""Training episodes in the moving success rate and mean return."""


class TrainDisplay:
    """Shows a training run: success, speed, losses, elapsed and remaining time.

    On a terminal one panel is redrawn at most four times a second, by the caller's own thread; elsewhere one line
    is written now and then.

    Args:
        max_env_steps: The budget; 0 if there is none.
        console: Where to draw; standard error by default, so that results on standard output stay clean.
        now: Seconds, monotonic.
    """

    def __init__(
        self, max_env_steps: int = 0, console: Console | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(stderr=True)
        self._now = now
        self._max_env_steps = max_env_steps
        self._values: dict[str, float] = {}
        self._episodes: deque[float] = deque(maxlen=WINDOW)
        self._returns: deque[float] = deque(maxlen=WINDOW)
        self._history: deque[float] = deque(maxlen=40)
        self._phase = "starting"
        self._start = self._drawn = now()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._start = self._drawn = self._now()
        if self._console.is_terminal:
            self._live = Live(self.render(), console=self._console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, metrics: Mapping[str, object]) -> None:
        """Take new figures by metric name; `phase` may be text, and unknown names are ignored unless `train/...`."""
        for name, value in metrics.items():
            if name == "phase":
                self._phase = str(value)
            elif isinstance(value, SupportsFloat):
                self._values[name] = float(value)
        if "episode/success" in metrics:
            self._episodes.append(self._values["episode/success"])
            self._returns.append(self._values.get("episode/return", 0.0))
            self._history.append(self._rate())
        if "phase" not in metrics:
            self._phase = _phase(metrics) or self._phase
        period = REFRESH_S if self._live is not None else LINE_EVERY_S
        if self._now() - self._drawn >= period:
            self._draw()

    def line(self) -> str:
        """Return the state of the run on one line of plain text."""
        values = self._values
        parts = [f"[{_clock(self._now() - self._start)}] {self._phase}", f"{self._steps():,} env steps"]
        if self._episodes:
            figures = f"success {self._rate():.0%}, return {self._return():.4g}"
            parts.append(f"{figures} of the last {len(self._episodes)}")
        if "check/success" in values:
            parts.append(f"check {values['check/success']:.0%}, return {values.get('check/return', 0.0):.4g}")
        if "speed/env_steps_per_s" in values:
            parts.append(f"{values['speed/env_steps_per_s']:.0f} steps/s")
        if "speed/updates_per_s" in values:
            parts.append(f"{values['speed/updates_per_s']:.0f} updates/s")
        return " · ".join(parts)

    def render(self) -> Panel:
        """Return the panel that is drawn on a terminal."""
        values = self._values
        table = Table.grid(padding=(0, 2))
        for style in ("dim", "bold", "dim", "bold"):
            table.add_column(style=style, no_wrap=True)
        rate = f"{self._rate():.0%}  {sparkline(list(self._history))}" if self._episodes else "-"
        table.add_row("success", rate, "last check", _check(values))
        table.add_row("return", _number(self._return()), "last check", _number(values.get("check/return")))
        table.add_row("env steps", f"{self._steps():,}", "steps/s", _number(values.get("speed/env_steps_per_s")))
        table.add_row("updates", _count(values), "updates/s", _number(values.get("speed/updates_per_s")))
        losses = Text("  ".join(f"{k.removeprefix('train/')} {v:.3g}" for k, v in sorted(values.items()) if k.startswith("train/")), "dim")  # fmt: skip
        bar = ProgressBar(total=self._max_env_steps or 1, completed=self._steps(), width=None)
        title = f"[bold]{self._phase}[/] · {_clock(self._now() - self._start)}{self._eta()}"
        parts = [table, losses] if losses.plain else [table]
        return Panel(Group(*parts, bar) if self._max_env_steps else Group(*parts), title=title, title_align="left")

    def _draw(self) -> None:
        self._drawn = self._now()
        if self._live is not None:
            self._live.update(self.render(), refresh=True)
        else:
            self._console.print(self.line(), highlight=False, soft_wrap=True, markup=False)

    def _steps(self) -> int:
        return int(self._values.get("env_steps", 0))

    def _rate(self) -> float:
        return sum(self._episodes) / len(self._episodes)

    def _return(self) -> float:
        return sum(self._returns) / max(len(self._returns), 1)

    def _eta(self) -> str:
        speed = self._values.get("speed/env_steps_per_s", 0.0)
        left = self._max_env_steps - self._steps()
        return f" · at most {_clock(left / speed)} left" if self._max_env_steps and speed > 0 and left > 0 else ""


@contextmanager
def progress_bar(label: str, total: int, console: Console | None = None) -> Generator[Callable[[], None]]:
    """Show how many of `total` things are done; yields the function to call after each.

    >>> with progress_bar("record", 2, Console(quiet=True)) as advance:
    ...     advance()
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _line_bar(label, total, console)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        task = progress.add_task(label, total=total)

        def advance() -> None:
            progress.advance(task)
            progress.refresh()

        yield advance


def sparkline(values: list[float], low: float = 0.0, high: float = 1.0) -> str:
    """Return one block character a value, as high as the value lies between `low` and `high`.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    top = len(SPARKS) - 1
    span = (high - low) or 1.0
    return "".join(SPARKS[min(top, max(0, math.floor((v - low) / span * top + 0.5)))] for v in values)


def _line_bar(label: str, total: int, console: Console) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done == total or done * 4 // max(total, 1) > (done - 1) * 4 // max(total, 1):
            console.print(f"{label}: {done}/{total}", highlight=False, markup=False)

    return advance


def _phase(metrics: Mapping[str, object]) -> str | None:
    for prefix, phase in (("evaluated", "evaluating"), ("check/", "training"), ("train/", "training")):
        if any(name.startswith(prefix) for name in metrics):
            return phase
    return None


def _check(values: Mapping[str, float]) -> str:
    if "check/success" not in values:
        return "-"
    low, high = values.get("check/wilson_low"), values.get("check/wilson_high")
    interval = f" [{low:.0%}, {high:.0%}]" if low is not None and high is not None else ""
    return f"{values['check/success']:.0%}{interval}".replace("[", "\\[")


def _count(values: Mapping[str, float]) -> str:
    return f"{int(values.get('updates', values.get('run/updates', 0))):,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
