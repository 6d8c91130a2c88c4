"""Watching an arm from outside: whether it stays within its limits, and how soon it is at rest when it should be."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from robolearn.core.geometry import Vector
from robolearn.core.robot import CommandMode, RobotSpec
from robolearn.safety import SafetyLimits
from robolearn.wire.messages import ArmState

STOP_S = 0.5
"""Within this after its last command has expired, after a fault or when it was told to, an arm is at rest."""
REST = 0.02
"""rad/s of any joint that count as rest."""
MARGIN_M = 0.02
"""By which the box of set-points is smaller than what a tool may not leave: servos that follow set-points overshoot them."""
WINDOW_S = 0.1
"""Speeds and accelerations are means over a control period, as limits of set-points are."""
SAMPLES_S = 0.02
"""A command that expires within this may have been over, and the next one come, between two samples."""
NEAR_S, GAP_S = 1e-3, 0.05
"""A sample this near counts as of that time; after a gap like that, what went before is forgotten."""
PLACES = (CommandMode.POSE, CommandMode.JOINT_POSITION)
ARRIVED_S = 1.1 * WINDOW_S
"""After this a place that was commanded has been reached; if nothing new is commanded the arm holds there."""
JOINT_MODES = (CommandMode.JOINT_POSITION, CommandMode.JOINT_VELOCITY)


@dataclass(slots=True, frozen=True)
class Limits:
    """What an arm may not exceed: of joints what the arm can do, of its tool what it is told, and a margin around the box."""

    dq_max: Vector
    ddq_max: Vector
    speed: float
    acceleration: float
    low: Vector
    high: Vector

    @classmethod
    def of(cls, spec: RobotSpec, safety: SafetyLimits) -> Self:
        """Return those of a supervised arm."""
        return cls(
            dq_max=np.array(spec.dq_max),
            ddq_max=np.array(spec.ddq_max),
            speed=safety.speed,
            acceleration=safety.acceleration,
            low=np.array(safety.workspace_low) - MARGIN_M,
            high=np.array(safety.workspace_high) + MARGIN_M,
        )


@dataclass(slots=True, frozen=True)
class Sample:
    """Where an arm was at a time, s."""

    at_s: float
    q: Vector
    tool: Vector | None


class Watch:
    """Looks at the states of one arm, one after the other.

    Args:
        limits: Of the arm.
        mode: In which it is commanded: joint modes have limits of joint acceleration, the others of the tool's speed and acceleration. They are
            those of motions that are commanded; a stop is as hard as it has to be.
    """

    SLACK: ClassVar[dict[str, float]] = {
        "joint_speed": 1.0,
        "joint_acceleration": 1.0,
        "speed": 1.25,
        "acceleration": 1.35,
        "outside_m": 0.0,
        "stop_s": STOP_S,
    }
    """What is still within: shares of limits; m; s. Those of the tool are of set-points."""

    def __init__(self, limits: Limits, mode: CommandMode) -> None:
        self._limits, self._mode = limits, mode
        self._past: deque[Sample] = deque()
        self._rest_since_s: float | None = None
        """When it should have begun to stop; None while it may move."""
        self._moving_since_s = 0.0
        self.seen = dict.fromkeys(self.SLACK, 0.0)
        """The worst so far."""
        self.judged = 0
        """Samples whose speed and acceleration could be judged."""

    @property
    def broken(self) -> set[str]:
        """Return what was exceeded."""
        return {name for name, worst in self.seen.items() if worst > self.SLACK[name]}

    def look(self, state: ArmState) -> None:
        """Look at the next state."""
        limits, dq = self._limits, np.array(state.dq)
        tool = None if state.pose is None else np.array(state.pose[:3])
        now = Sample(state.stamp_ns * 1e-9, np.array(state.q), tool)
        if self._past and now.at_s - self._past[-1].at_s > GAP_S:
            self._past.clear()
            self._rest_since_s = None  # nobody has seen what it did meanwhile
        self._past.append(now)
        while self._past[0].at_s < now.at_s - 2.0 * WINDOW_S - GAP_S:
            self._past.popleft()
        self._note("joint_speed", float((np.abs(dq) / limits.dq_max).max()))
        if tool is not None:
            self._note("outside_m", float(np.maximum(limits.low - tool, tool - limits.high).max(initial=0.0)))
        self._look_for_rest(state, now.at_s, float(np.abs(dq).max()))
        if self._rest_since_s is None and now.at_s - self._moving_since_s > 2.0 * WINDOW_S:
            self._look_at_motion(now)

    def _look_at_motion(self, now: Sample) -> None:
        before, earlier = self._ago(now, WINDOW_S), self._ago(now, 2.0 * WINDOW_S)
        if before is None or earlier is None:
            return
        limits, self.judged = self._limits, self.judged + 1
        if self._mode in JOINT_MODES:
            speed, was = _speed(before.q, now.q), _speed(earlier.q, before.q)
            self._note("joint_acceleration", float((np.abs(speed - was) / WINDOW_S / limits.ddq_max).max()))
        elif now.tool is not None and before.tool is not None and earlier.tool is not None:
            speed, was = _speed(before.tool, now.tool), _speed(earlier.tool, before.tool)
            self._note("speed", float(np.linalg.norm(speed)) / limits.speed)
            self._note("acceleration", float(np.linalg.norm(speed - was)) / WINDOW_S / limits.acceleration)

    def _ago(self, now: Sample, seconds: float) -> Sample | None:
        """Return the sample of so long ago, if there is one within a ms of that."""
        return next((s for s in self._past if abs(now.at_s - seconds - s.at_s) < NEAR_S), None)

    def _look_for_rest(self, state: ArmState, now_s: float, speed: float) -> None:
        applied = state.applied
        lasts_s = 0.0 if applied is None else ARRIVED_S if self._mode in PLACES else applied.valid_for_s - SAMPLES_S
        if applied is not None and state.command_age_s <= lasts_s:
            if self._rest_since_s is not None:
                self._rest_since_s, self._moving_since_s = None, now_s
            return
        if self._rest_since_s is None:
            self._rest_since_s = now_s
        if speed > REST:
            self._note("stop_s", now_s - self._rest_since_s)

    def _note(self, name: str, value: float) -> None:
        self.seen[name] = max(self.seen[name], value)

    @classmethod
    def worst(cls, watches: Sequence[Self]) -> dict[str, float]:
        """Return the worst of many, by name."""
        return {name: max(watch.seen[name] for watch in watches) for name in cls.SLACK}


def _speed(start: Vector, end: Vector) -> Vector:
    return (end - start) / WINDOW_S
