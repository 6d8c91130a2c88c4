"""The surroundings of a twin: a simulated world that runs in real time behind the server code of a real arm."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from gymnasium.utils.seeding import np_random

from robolearn.core.clock import WallClock
from robolearn.core.errors import DriverError
from robolearn.core.geometry import Vector
from robolearn.envs.tasks.base import SimTask
from robolearn.safety import SupervisedRobot

TRIES = 5
"""To set off on a way."""
MOST_S = 0.1
"""A world that has fallen behind by more than this skips the rest: nobody can catch up with real time for ever."""


class Drivable(Protocol):
    """What a twin asks of whoever owns an arm."""

    robot: SupervisedRobot

    @property
    def busy(self) -> bool:
        """Return whether a reset is under way."""
        ...

    @property
    def stopped_by(self) -> str:
        """Return what brought the arm to rest; empty after a reset that went well."""
        ...

    def reset(self, q: Vector | None, gripper: float | None = None) -> None:
        """Begin to drive to a joint configuration (n,) rad, home without one, with a gripper opening in [0, 1]."""
        ...


class TwinScene:
    """Simulates a task in real time, and sets its episodes up without moving an arm otherwise than its limits allow.

    Args:
        task: Bound to a world whose clock is `clock`.
        clock: Real time.
    """

    def __init__(self, task: SimTask, clock: WallClock) -> None:
        self._task, self._clock = task, clock
        self._then_ns = clock.now_ns()
        self._setting_up: Iterator[None] = iter(())

    def begin(self, seed: int, desks: Mapping[str, Drivable]) -> None:
        """Start to set up the episode of a seed: arms go home, things are put where they start, arms go to their start.

        Raises:
            DriverError: If an arm cannot be reset.
        """
        self._setting_up = self._set_up(seed, desks)
        next(self._setting_up, None)

    def ready(self) -> bool:
        """Go on with setting up; return whether all is as it should be.

        Raises:
            DriverError: If an arm was stopped on its way, or cannot get to its start.
        """
        return next(self._setting_up, self) is self

    def advance(self) -> None:
        """Simulate the real time since the last call."""
        now_ns = self._clock.now_ns()
        self._task.world.advance(min((now_ns - self._then_ns) * 1e-9, MOST_S))
        self._then_ns = now_ns

    def success(self) -> bool:
        """Return whether the task is solved now."""
        return self._task.judge()[0]

    def _set_up(self, seed: int, desks: Mapping[str, Drivable]) -> Iterator[None]:
        task, (rng, _) = self._task, np_random(seed)
        yield from _drive(desks, {}, gripper=1.0)
        task.place(rng, {})
        task.world.refresh()
        yield from _drive(desks, {name: task.arms[name].solve(pose) for name, pose in task.start_poses(rng).items()})
        task.begin()


def _drive(desks: Mapping[str, Drivable], goals: Mapping[str, Vector], gripper: float | None = None) -> Iterator[None]:
    """Bring all arms to joint angles (n,) rad, home where none are given.

    An arm that presses on something when it sets off finds a fault and stops; that is cleared, and it tries again from where it is by then.

    Raises:
        DriverError: If one is stopped by anything else, or does not get there.
    """
    stopped: Mapping[str, Drivable] = {}
    for _ in range(TRIES):
        for name, desk in desks.items():
            desk.robot.reset_faults()
            desk.reset(goals.get(name), gripper=gripper)
        while any(desk.busy for desk in desks.values()):
            yield
        stopped = {name: desk for name, desk in desks.items() if desk.stopped_by}
        if not stopped or any(not desk.robot.faults for desk in stopped.values()):
            break
    for name, desk in stopped.items():
        got = f"one that was stopped: {', '.join(desk.robot.faults) or desk.stopped_by}"
        raise DriverError(f"new episode, arm '{name}'", expected="an arm that gets to its start", got=got)
