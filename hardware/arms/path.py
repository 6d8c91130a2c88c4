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
        self._start, self._begun_s = np.zeros(0), 0.0

    def follow(self, command: RobotCommand, measured: Vector, now_s: float) -> None:
        """Set off for a command.

        Args:
            command: Of any mode.
            measured: Where the arm is, in the coordinates of a pose or of joint positions; counts unless it follows
                such a path already.
            now_s: On the clock of `at`.
        """
        before = self.at(now_s)
        going_on = before is not None and before.mode is command.mode and command.mode not in VELOCITIES
        self._start = before.target if going_on and before is not None else measured.copy()
        self._command, self._begun_s = command, now_s

    def leave(self) -> None:
        """Forget the command: there is nothing more to follow."""
        self._command = None

    def at(self, now_s: float) -> Reference | None:
        """Return what to tell the controller now; None to rest where it is."""
        command = self._command
        if command is None:
            return None
        passed_s = max(now_s - self._begun_s, 0.0)
        if command.mode in VELOCITIES:
            late_s = passed_s - command.valid_for_s
            share = 1.0 if late_s <= 0.0 else max(1.0 - late_s / self._ramp_s, 0.0)
            return Reference(command.mode, share * command.target) if share > 0.0 else None
        share = min(passed_s / self._period_s, 1.0)
        return Reference(command.mode, _between(command.mode, self._start, command.target, share))


def _between(mode: CommandMode, start: Vector, target: Vector, share: float) -> Vector:
    """Return the place at a share of the way; orientations turn evenly about one axis."""
    if mode is CommandMode.JOINT_POSITION:
        return start + share * (target - start)
    turn = rotation_error(quat_normalize(target[3:]), start[3:])
    quat_wxyz = quat_normalize(quat_multiply(quat_from_rotvec(share * turn), start[3:]))
    return np.concatenate([start[:3] + share * (target[:3] - start[:3]), quat_wxyz])
