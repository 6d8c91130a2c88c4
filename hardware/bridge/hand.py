"""The task of a robot that nobody simulates: a person sets the scene up and judges."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from robolearn.core.protocols import Event, Outcome, RobotDriver, StepContext, Task
from robolearn.core.types import Array
from robolearn.hardware.bridge.client import RemoteRobot

BEAT_S = 0.5
"""Between two signs of life in a pause: the arms of a client that is silent for longer may go to another."""
_log = logging.getLogger(__name__)


class HandScene(Task):
    """Brings the arms home, leaves a person time for the scene, and takes their word for what has become of it.

    After a `stop` they get that time before the arms move as well.

    Without a device by which they can signal (`human=...`) no episode ends before its time, and none is a success.

    Args:
        pause_s: Between the arms' coming home and the first step, and between a stop and their going home.
        sleep: Waits.
    """

    def __init__(self, pause_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pause_s, self._sleep = pause_s, sleep
        self._stopped = False

    def reset(self, arms: Mapping[str, RobotDriver], rng: np.random.Generator, options: Mapping[str, object]) -> None:
        """Drive the arms home, one after the other, and wait.

        Raises:
            DriverError: If one does not get there, has a fault that somebody must see to, or is another client's by now.
        """
        del rng, options
        if self._stopped:
            for arm in arms.values():
                arm.stop()
            self._pause(arms, "stopped: the arms drive home in %.0f s")
            self._stopped = False
        for arm in arms.values():
            arm.reset()
        self._pause(arms, "set the scene up: the next episode begins in %.0f s")

    def _pause(self, arms: Mapping[str, RobotDriver], said: str) -> None:
        """Say what comes next, and wait; the arms stay this client's."""
        _log.warning(said, self._pause_s)
        left_s = self._pause_s
        while left_s > 0.0:
            self._sleep(min(left_s, BEAT_S))
            left_s -= BEAT_S
            for arm in arms.values():
                if isinstance(arm, RemoteRobot):
                    arm.hold()

    def evaluate(self, ctx: StepContext, events: Sequence[Event]) -> Outcome:
        """Return what a person has signalled: `success`, `failure`, or `stop`, which ends the episode without a verdict."""
        del ctx
        signals = {event.name for event in events}
        success = "success" in signals
        failure = "failure" in signals and not success
        ended = success or failure
        self._stopped = "stop" in signals and not ended
        return Outcome(
            reward=float(success), success=success, failure=failure, terminated=ended, truncated=self._stopped
        )

    def state(self) -> Mapping[str, Array]:
        """Return nothing: a robot knows no more than it senses."""
        return {}
