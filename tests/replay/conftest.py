"""Small steps with values that tell them apart, and a naive model of what replay must hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from robolearn.core.specs import ActionKind, ActionPart, ActionSpec, ArraySpec, EnvSpec
from robolearn.core.types import Source, Step
from robolearn.replay import Replay

SPEC = EnvSpec(
    obs={"pixels/front": ArraySpec((4, 4, 3), "uint8"), "proprio/arm.q": ArraySpec((2,), "float32")},
    action=ActionSpec((ActionPart(arm="arm", kind=ActionKind.JOINT_DELTA, size=2),)),
    rate_hz=10.0,
    max_steps=50,
)


def make_step(number: int, **flags: object) -> Step:
    """A step whose every value follows from `number`."""
    return Step(
        obs={
            "pixels/front": np.full((4, 4, 3), number % 256, np.uint8),
            "proprio/arm.q": np.array([number, -number], np.float32),
        },
        action=np.array([np.sin(number), np.cos(number)], np.float32),
        rewards={"task": float(number % 7), "bonus": 0.5 * number},
        is_first=bool(flags.pop("is_first", False)),
        **flags,
    )


def make_episode(actions: int, start: int = 0, *, terminal: bool = True, source: Source = Source.ONLINE) -> list[Step]:
    """An episode of `actions` actions, `actions` + 1 rows, numbered from `start`."""
    return [
        make_step(
            start + t,
            is_first=t == 0,
            is_last=t == actions,
            is_terminal=terminal and t == actions,
            is_truncated=not terminal and t == actions,
            source=source,
        )
        for t in range(actions + 1)
    ]


@dataclass(eq=False)
class Row:
    step: Step
    index: int
    after: "Row | None" = None
    before: "Row | None" = None

    @property
    def number(self) -> int:
        return int(self.step.obs["proprio/arm.q"][0])


@dataclass
class Oracle:
    """The obvious way to do it: objects that point at each other, nothing computed ahead."""

    capacity: int
    rows: list[Row] = field(default_factory=list)
    open: dict[int, Row] = field(default_factory=dict)
    count: int = 0

    def add(self, step: Step, stream: int) -> None:
        row = Row(step, self.count)
        self.count += 1
        if len(self.rows) == self.capacity:
            gone = next(r for r in self.rows if r.step.source is not Source.DEMO)
            self.rows.remove(gone)
            if gone.after is not None:
                gone.after.before = None
            self.open = {s: r for s, r in self.open.items() if r is not gone}
        before = self.open.pop(stream, None)
        if before is not None and not step.is_first:
            before.after, row.before = row, before
        if not step.is_last:
            self.open[stream] = row
        self.rows.append(row)

    def cut(self, stream: int) -> None:
        self.open.pop(stream, None)

    def starts(self, group: str = "any") -> dict[int, Row]:
        member: dict[str, Callable[[Step], bool]] = {
            "any": lambda _: True,
            "demo": lambda s: s.source is Source.DEMO,
            "online": lambda s: s.source is not Source.DEMO,
            "intervention": lambda s: s.intervened or s.source is Source.INTERVENTION,
        }
        return {r.index: r for r in self.rows if r.after is not None and member[group](r.step)}

    @staticmethod
    def path(row: Row, steps: int) -> list[Row]:
        """`row` and up to `steps` rows after it."""
        path = [row]
        while len(path) <= steps and path[-1].after is not None:
            path.append(path[-1].after)
        return path


def apply(target: "Replay | Oracle", operations: Sequence[tuple[int, Step | None]]) -> None:
    """Carry out (stream, step) pairs; a step of None is a gap."""
    for stream, step in operations:
        if step is None:
            target.cut(stream)
        else:
            target.add(step, stream)


@pytest.fixture
def spec() -> EnvSpec:
    return SPEC


@pytest.fixture
def episode() -> Callable[..., list[Step]]:
    return make_episode


@pytest.fixture
def numbered() -> Callable[..., Step]:
    return make_step


@pytest.fixture
def oracle() -> type[Oracle]:
    return Oracle


@pytest.fixture
def run() -> Callable[..., None]:
    return apply
