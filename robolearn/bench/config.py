"""What `robolearn bench` takes on its command line."""

from dataclasses import dataclass, field
from typing import Any

from robolearn.core.errors import ConfigError, nearest

BENCHMARKS = (
    "env",
    "backdrop",
    "formats",
    "replay",
    "sac",
    "tasks",
    "sb3",
    "learn",
    "bridge",
    "faults",
    "signals",
    "fuzz",
    "deploy",
    "soak",
    "actors",
    "split",
    "install",
)
CONFIGURABLE = ("tasks", "sb3", "learn", "deploy", "soak")
"""Which of them take more than their name."""


@dataclass(kw_only=True, slots=True)
class BenchConfig:
    """One benchmark."""

    what: str = "env"
    """One of `BENCHMARKS`."""
    seeds: int = 5
    """learn: runs per setting. sb3: runs per task and reward."""
    settings: list[str] = field(default_factory=lambda: ["easy", "default"])
    """learn: which of `robolearn.bench.learn.SETTINGS` to run."""
    only: str | None = None
    """learn: a single run, `<setting>/<seed>`. sb3: `<task>` or `<task>/<seed>`. tasks: a single task."""
    episodes: int = 1_000
    """tasks: episodes of the expert."""
    run: str = ""
    """deploy, soak: a run of `robolearn train`; empty to train one first."""
    minutes: float = 10.0
    """soak: how long."""
    missing: bool = False
    """learn: run only seeds whose result of this commit's settings is not there yet; goes on with a campaign."""
    out: str = "benchmarks"

    def __post_init__(self) -> None:
        if self.what not in BENCHMARKS:
            raise ConfigError(
                "bench", expected=f"one of {BENCHMARKS}", got=self.what, fix=nearest(self.what, BENCHMARKS)
            )


@dataclass(kw_only=True, slots=True)
class ShowConfig:
    """The card of a task."""

    env: Any = None
    episodes: int = 100
    """Of the scripted expert."""
    out: str = "cards"
    """Folder for the picture."""
    results: str = "benchmarks"
    """Folder of benchmark results, for what has been learned on the task."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError("episodes", expected="1 or more", got=self.episodes)
