"""From set-points at the control rate to joint angles at the servo rate."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply, quat_normalize, rotation_error
from robolearn.core.robot import CommandMode
from robolearn.envs.sim.kinematics import MARGIN, Kinematics

_MODES = tuple(CommandMode)


class Motion:
    """The joint angles that an arm is told to have, moving towards the newest set-point.

    Poses and joint positions are approached evenly within `period_s` and then held; twists and joint velocities go on
    until they expire. An expired set-point is a hold. Joint speeds and limits are respected in every mode.
    """

    def __init__(self, kinematics: Kinematics, period_s: float) -> None:
        self._kinematics = kinematics
        self._period_s = period_s
        spec = kinematics.spec
        self._low = np.array(spec.q_min) + MARGIN
        self._high = np.array(spec.q_max) - MARGIN
        self._dq_max = np.array(spec.dq_max)
        self._still = np.zeros(len(spec.q_home))
        self.hold(np.array(spec.q_home))

    def hold(self, q: Vector) -> None:
        """Stand at joint angles (n,) and forget the set-point."""
        self.q = q.copy()
        """Commanded joint angles (n,) rad; replaced, never changed in place."""
        self._mode: CommandMode | None = None
        self._target = self._start_q = self.q
        self._start = self._pose = _NOWHERE
        self._turn = np.zeros(3)
        self._turning = False
        self._elapsed_s = self._valid_s = 0.0

    def start(self, mode: CommandMode, target: Vector, valid_s: float) -> None:
        """Set off from where the motion is now; `target` as in `RobotCommand`."""
        following = self._mode is CommandMode.POSE
        self._mode, self._target, self._start_q = mode, target.copy(), self.q
        self._elapsed_s, self._valid_s = 0.0, valid_s
        if mode is CommandMode.POSE:
            self._start = self._pose if following else self._kinematics.pose(self.q)
            self._turn = rotation_error(quat_normalize(self._target[3:]), self._start.quat_wxyz)
            self._turning = any(self._turn.tolist())
            self._pose = self._start

    def tick(self, dt: float) -> Vector:
        """Go on for `dt` s; return the joint speeds (n,) rad/s of this move."""
        if self._mode is None:
            return self._still
        before = self.q
        usable = min(dt, self._valid_s - self._elapsed_s)
        self._elapsed_s += usable
        self.q = self._next(self._mode, min(1.0, self._elapsed_s / self._period_s), usable, dt)
        if self._elapsed_s >= self._valid_s - 1e-9:
            self.hold(self.q)
        return (self.q - before) / dt

    def save(self) -> dict[str, NDArray[np.generic]]:
        """Return everything, as arrays."""
        return {
            "mode": np.array(-1 if self._mode is None else _MODES.index(self._mode)),
            "target": self._target.copy(),
            "start": self._start.to_array(),
            "pose": self._pose.to_array(),
            "turn": self._turn.copy(),
            "start_q": self._start_q.copy(),
            "q": self.q.copy(),
            "time": np.array([self._elapsed_s, self._valid_s]),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Put back what `save` returned."""
        values = {name: np.array(value, np.float64) for name, value in state.items()}
        mode = int(values["mode"])
        self._mode = None if mode < 0 else _MODES[mode]
        self._target, self._turn = values["target"], values["turn"]
        self._turning = any(self._turn.tolist())
        self._start, self._pose = Pose.from_array(values["start"]), Pose.from_array(values["pose"])
        self._start_q, self.q = values["start_q"], values["q"]
        self._elapsed_s, self._valid_s = values["time"].tolist()

    def _next(self, mode: CommandMode, fraction: float, usable: float, dt: float) -> Vector:
        target = self._target
        if mode is CommandMode.POSE:
            start, quat_wxyz = self._start, self._start.quat_wxyz
            if self._turning:
                quat_wxyz = quat_multiply(quat_from_rotvec(fraction * self._turn), quat_wxyz)
            self._pose = Pose(start.position + fraction * (target[:3] - start.position), quat_wxyz)
            return self._kinematics.follow(self.q, self._pose, dt)
        if mode is CommandMode.TWIST:
            here = self._kinematics.pose(self.q)
            turned = quat_multiply(quat_from_rotvec(usable * target[3:]), here.quat_wxyz)
            return self._kinematics.follow(self.q, Pose(here.position + usable * target[:3], turned), dt)
        if mode is CommandMode.JOINT_POSITION:
            wanted = self._start_q + fraction * (target - self._start_q)
        else:
            wanted = self.q + usable * target
        reach = dt * self._dq_max
        return np.clip(np.clip(wanted, self.q - reach, self.q + reach), self._low, self._high)


_NOWHERE = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
