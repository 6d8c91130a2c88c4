"""The task of a robot that nobody simulates: a person sets the scene up and judges."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from robolearn.core.protocols import Event, Outcome, RobotDriver, StepContext, Task
from robolearn.core.types import Array

_log = logging.getLogger(__name__)


class HandScene(Task):
    """Brings the arms home, leaves a person time for the scene, and takes their word for what has become of it.

    Without a device by which they can signal (`human=...`) no episode ends before its time, and none is a success.

    Args:
        pause_s: Between the arms' coming home and the first step.
        sleep: Waits.
    """

    def __init__(self, pause_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pause_s, self._sleep = pause_s, sleep

    def reset(self, arms: Mapping[str, RobotDriver], rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Drive the arms home, one after the other, and wait.

        Raises:
            DriverError: If one does not get there, or has a fault that somebody must see to.
        """
        del rng, options
        for arm in arms.values():
            arm.reset()
        _log.warning("set the scene up: the next episode begins in %.0f s", self._pause_s)
        self._sleep(self._pause_s)

    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        """Return what a person has signalled: `success`, `failure`, or `stop`, which ends the episode without a verdict."""
        del ctx
        signals = {event.name for event in events}
        success = "success" in signals
        failure = "failure" in signals and not success
        ended = success or failure
        stopped = "stop" in signals and not ended
        return Outcome(reward=float(success), success=success, failure=failure, terminated=ended, truncated=stopped)

    def state(self) -> Mapping[str, Array]:
        """Return nothing: a robot knows no more than it senses."""
        return {}
