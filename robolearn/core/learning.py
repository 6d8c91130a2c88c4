"""What an agent asks of the training loop: how much to collect, how often to update, and from which batches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from robolearn.core.errors import SpecError
from robolearn.core.types import Array, Batch


class View(StrEnum):
    """How replay presents its steps."""

    TRANSITIONS = "transitions"
    """(s, a, n-step return, discount, s') rows."""
    SEQUENCES = "sequences"
    """Runs of consecutive steps (B, T, ...)."""
    CHUNKS = "chunks"
    """An observation with the next H actions (B, H, A)."""


@dataclass(kw_only=True, slots=True, frozen=True)
class DerivedColumn:
    """A column that replay computes lazily from stored ones and keeps until `version` changes."""

    name: str
    """Sampled as `derived/<name>`, and as `next_derived/<name>` in transitions."""
    fn: Callable[[Batch], Array]
    """Maps the named inputs, each (N, ...), to (N, copies, ...) float32; called on rows in any order."""
    inputs: tuple[str, ...]
    """Stored columns that `fn` reads, such as `obs/pixels/front`."""
    shape: tuple[int, ...]
    """Shape of one copy of one row."""
    version: int
    copies: int = 1
    """How many random variants of a row are kept (augmented copies); sampling picks one of them at random."""


@dataclass(kw_only=True, slots=True, frozen=True)
class BatchSpec:
    """One batch: a view of replay, its size, and the share of each source."""

    view: View = View.TRANSITIONS
    size: int = 256
    n_step: int = 1
    length: int = 1
    horizon: int = 1
    discount: float = 0.99
    mix: Mapping[str, float] = field(default_factory=lambda: {"any": 1.0})
    """Share of the batch by source group: `any` draws from every step, `demo` from demonstrations, `online` from the
    rest, `intervention` from intervened steps, `success` from online episodes that have ended in success. Shares sum to 1; an empty group gives its share to the others."""
    columns: tuple[str, ...] | None = None
    """Observation keys to gather; None gathers all. Derived columns that replace images make this worth naming."""
    derived: tuple[DerivedColumn, ...] = ()

    def __post_init__(self) -> None:
        if abs(sum(self.mix.values()) - 1.0) > 1e-6:
            raise SpecError("BatchSpec.mix", expected="shares that sum to 1", got=dict(self.mix))


@dataclass(kw_only=True, slots=True, frozen=True)
class Progress:
    """How far a run is; all that a plan may depend on besides the agent's own state."""

    env_steps: int = 0
    episodes: int = 0
    updates: int = 0
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    """Steps in replay, by source group."""


@dataclass(kw_only=True, slots=True, frozen=True)
class Plan:
    """What the loop should do next: collect so many env steps, then make so many updates."""

    collect: int
    updates: int
    batch: BatchSpec | None = None
    milestone: str | None = None
    """A name when a phase just ended and its policy deserves an evaluation of its own (`bc`)."""
