"""From set-points at the rate of a client to targets at the rate of an arm's own controller."""

from dataclasses import dataclass

import numpy as np

from robolearn.core.geometry import Vector, quat_from_rotvec, quat_multiply, quat_normalize, rotation_error
from robolearn.core.robot import CommandMode, RobotCommand

VELOCITIES = (CommandMode.TWIST, CommandMode.JOINT_VELOCITY)


@dataclass(slots=True, frozen=True)
class Reference:
    """What an arm's controller is told at one of its ticks."""

    mode: CommandMode
    target: Vector
    """As that of a `RobotCommand` of this mode."""


class Path:
    """Where an arm is to be as time goes on.

    Poses and joint positions are approached evenly within a period and then held, also when the command has expired.
    Twists and joint velocities go on until they expire, and then fall to zero.

    Args:
        period_s: Between two commands of a client.
        ramp_s: From an expired velocity to rest.
    """

    def __init__(self, period_s: float, ramp_s: float) -> None:
        self._period_s, self._ramp_s = period_s, ramp_s
        self._command: RobotCommand | None = None
        self._start: list[float] = []  # plain floats: for seven numbers they are several times faster than arrays
        self._goal: list[float] = []
        self._begun_s = 0.0

    def follow(self, command: RobotCommand, measured: Vector, now_s: float) -> None:
        """Set off for a command.

        Args:
            command: Of any mode.
            measured: Where the arm is, in the coordinates of a pose or of joint positions; counts unless it follows
                such a path already.
            now_s: On the clock of `at`.
        """
        before = self._command
        going_on = before is not None and before.mode is command.mode and command.mode not in VELOCITIES
        self._start = self._place(command.mode, now_s) if going_on else measured.tolist()
        self._command, self._goal, self._begun_s = command, command.target.tolist(), now_s

    def leave(self) -> None:
        """Forget the command: there is nothing more to follow."""
        self._command = None

    def at(self, now_s: float) -> Reference | None:
        """Return what to tell the controller now; None to rest where it is."""
        command = self._command
        if command is None:
            return None
        if command.mode not in VELOCITIES:
            return Reference(command.mode, np.array(self._place(command.mode, now_s)))
        late_s = max(now_s - self._begun_s, 0.0) - command.valid_for_s
        share = 1.0 if late_s <= 0.0 else max(1.0 - late_s / self._ramp_s, 0.0)
        return Reference(command.mode, share * command.target) if share > 0.0 else None

    def _place(self, mode: CommandMode, now_s: float) -> list[float]:
        """Return where it is on the way to a place, (n,) rad or (7,) of a pose in base; orientations turn evenly about one axis."""
        share = min(max(now_s - self._begun_s, 0.0) / self._period_s, 1.0)
        place = [start + share * (goal - start) for start, goal in zip(self._start, self._goal, strict=True)]
        if mode is CommandMode.POSE:
            start_wxyz = np.array(self._start[3:])
            turn = rotation_error(quat_normalize(np.array(self._goal[3:])), start_wxyz)
            place[3:] = quat_normalize(quat_multiply(quat_from_rotvec(share * turn), start_wxyz)).tolist()
        return place
