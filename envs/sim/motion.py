"""From set-points at the control rate to joint angles at the servo rate."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply, quat_normalize, rotation_error
from robolearn.core.robot import CommandMode
from robolearn.envs.sim.kinematics import MARGIN, Kinematics

TAPS = 4
"""Ticks of wanted joint angles that a servo's target depends on."""
SPEED = 0.7
"""Share of a joint's top speed at which it follows a tool; servos that catch up are faster than what they follow."""
AT_ONCE = 0.1
"""Share that a joint may have from one tick to the next under a twist, whose end nobody knows; more is taken up as its acceleration allows."""
SWIFT, TURN_S = 0.45, 0.015
"""Under a pose, a joint that is faster than this share the other way is braked first, from top speed within so long; it would overshoot."""
CATCH_UP, SLOWEST = 1.1, 0.36
"""A tool that lags behind, since joints were too slow or at their limits, catches up at this share of its set-point's speed; m/s at least."""
_MODES = tuple(CommandMode)


class Motion:
    """The joint angles that an arm is told to have, moving towards the newest set-point.

    Poses and joint positions are approached evenly within `period_s` and then held; twists and joint velocities go on
    until they expire. Joint velocities are taken up, and braked when they expire, as fast as
    the joints' accelerations allow. Any other expired set-point is a hold. Joint speeds and limits are respected in every mode.
    """

    def __init__(self, kinematics: Kinematics, period_s: float) -> None:
        self._kinematics = kinematics
        self._period_s = period_s
        spec = kinematics.spec
        self._low = np.array(spec.q_min) + MARGIN
        self._high = np.array(spec.q_max) - MARGIN
        self._dq_max, self._ddq_max = np.array(spec.dq_max), np.array(spec.ddq_max)
        self._tops = [(SPEED * v, AT_ONCE * v, a) for v, a in zip(spec.dq_max, spec.ddq_max, strict=True)]
        self.stand(np.array(spec.q_home))

    @property
    def q(self) -> Vector:
        """Return the newest joint angles (n,) rad; replaced at every tick, never changed in place."""
        return self._wanted

    def stand(self, q: Vector) -> None:
        """Be at joint angles (n,), at rest, without a set-point."""
        self.hold(q)
        self._recent = np.tile(self._wanted, TAPS)

    def hold(self, q: Vector) -> None:
        """Come to rest at joint angles (n,) and forget the set-point."""
        self._wanted = q.copy()
        self._mode: CommandMode | None = None
        self._target = self._start_q = self._wanted
        self._start = self._pose = _NOWHERE
        self._turn = self._way = np.zeros(3)
        self._turning = False
        self._elapsed_s = self._valid_s = self._fastest = 0.0
        self._speed: Vector | None = None
        """Of the joints (n,), while they follow joint velocities and are braked from them."""

    def stop(self, q: Vector, dq: Vector) -> None:
        """Forget the set-point and hold joint angles (n,) rad; if joint speeds were commanded, brake first, from measured speeds (n,) on."""
        braking = self._speed is not None
        self.hold(q)
        if braking:
            self._speed = np.clip(dq, -self._dq_max, self._dq_max)

    def start(self, mode: CommandMode, target: Vector, valid_s: float) -> None:
        """Set off from where the motion is now; `target` as in `RobotCommand`."""
        following = self._mode is CommandMode.POSE
        speed = np.zeros_like(self._wanted) if self._speed is None else self._speed
        self._mode, self._target, self._start_q = mode, target.copy(), self._wanted
        self._speed = None if mode is not CommandMode.JOINT_VELOCITY else speed
        self._elapsed_s, self._valid_s = 0.0, valid_s
        if mode is CommandMode.POSE:
            self._start = self._pose if following else self._kinematics.pose(self._wanted)
            self._turn = rotation_error(quat_normalize(self._target[3:]), self._start.quat_wxyz)
            self._turning = any(self._turn.tolist())
            self._way = self._target[:3] - self._start.position
            self._fastest = max(CATCH_UP * math.hypot(*self._way.tolist()) / self._period_s, SLOWEST)
            self._pose = self._start

    def tick(self, dt: float, dq: Vector) -> Vector:
        """Go on for `dt` s; return the joint angles of the last `TAPS` ticks (TAPS * n,), the newest first, not owned.

        Args:
            dt: s.
            dq: Measured joint speeds (n,), from which is braked: an arm that something blocks has none.
        """
        if self._mode is not None:
            usable = min(dt, self._valid_s - self._elapsed_s)
            self._elapsed_s += usable
            self._wanted = self._next(self._mode, min(1.0, self._elapsed_s / self._period_s), usable, dt)
            if self._elapsed_s >= self._valid_s - 1e-9:
                self.stop(self._wanted, dq)
        elif self._speed is not None:
            self._wanted = self._at_speed(self._speed, np.zeros_like(self._speed), dt, dt)
            self._speed = self._speed if self._speed.any() else None
        size = self._wanted.size
        self._recent[size:] = self._recent[:-size]
        self._recent[:size] = self._wanted
        return self._recent

    def save(self) -> dict[str, NDArray[np.generic]]:
        """Return everything, as arrays."""
        return {
            "mode": np.array(-1 if self._mode is None else _MODES.index(self._mode)),
            "target": self._target.copy(),
            "start": self._start.to_array(),
            "pose": self._pose.to_array(),
            "turn": self._turn.copy(),
            "way": self._way.copy(),
            "start_q": self._start_q.copy(),
            "wanted": self._wanted.copy(),
            "recent": self._recent.copy(),
            "time": np.array([self._elapsed_s, self._valid_s, self._fastest]),
            "speed": np.zeros(0) if self._speed is None else self._speed.copy(),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Put back what `save` returned."""
        values = {name: np.array(value, np.float64) for name, value in state.items()}
        mode = int(values["mode"])
        self._mode = None if mode < 0 else _MODES[mode]
        self._target, self._turn, self._way = values["target"], values["turn"], values["way"]
        self._turning = any(self._turn.tolist())
        self._start, self._pose = Pose.from_array(values["start"]), Pose.from_array(values["pose"])
        self._start_q, self._wanted, self._recent = values["start_q"], values["wanted"], values["recent"]
        self._elapsed_s, self._valid_s, self._fastest = values["time"].tolist()
        self._speed = values["speed"] if values["speed"].size else None

    def _at_speed(self, speed: Vector, target: Vector, usable: float, dt: float) -> Vector:
        """Return where the joints are after `usable` s at a speed that is nearer to its target."""
        reach = dt * self._ddq_max
        self._speed = speed + np.clip(target - speed, -reach, reach)
        return np.clip(self._wanted + usable * self._speed, self._low, self._high)

    def _next(self, mode: CommandMode, fraction: float, usable: float, dt: float) -> Vector:
        target = self._target
        if mode is CommandMode.POSE:
            quat_wxyz = self._start.quat_wxyz
            if self._turning:
                quat_wxyz = quat_multiply(quat_from_rotvec(fraction * self._turn), quat_wxyz)
            self._pose = Pose(self._start.position + fraction * self._way, quat_wxyz)
            slowest, fastest = self._turning_speeds(dt)
            most_m = dt * self._fastest
            return self._kinematics.follow(
                self._wanted, self._pose, dt, slowest=slowest, fastest=fastest, most_m=most_m
            )
        if mode is CommandMode.TWIST:
            here = self._kinematics.pose(self._wanted)
            turned = quat_multiply(quat_from_rotvec(usable * target[3:]), here.quat_wxyz)
            wanted = Pose(here.position + usable * target[:3], turned)
            return self._follow(wanted, dt)
        if self._speed is not None:
            return self._at_speed(self._speed, np.clip(target, -self._dq_max, self._dq_max), usable, dt)
        wanted = self._start_q + fraction * (target - self._start_q)
        reach = dt * self._dq_max
        return np.clip(np.clip(wanted, self._wanted - reach, self._wanted + reach), self._low, self._high)

    def _turning_speeds(self, dt: float) -> tuple[list[float], list[float]]:
        """Return the slowest and the fastest that joints may be in the next tick under a pose."""
        before, brake = self._speeds(dt), dt / TURN_S
        each = list(zip(before, self._tops, strict=True))
        slowest = [-top if v < SWIFT * top else min(-free, v - brake * top) for v, (top, free, _) in each]
        fastest = [top if v > -SWIFT * top else max(free, v + brake * top) for v, (top, free, _) in each]
        return slowest, fastest

    def _speeds(self, dt: float) -> list[float]:
        """Return the speeds of the joints in the last tick, rad/s."""
        size = self._wanted.size
        return ((self._recent[:size] - self._recent[size : 2 * size]) / dt).tolist()

    def _follow(self, pose: Pose, dt: float) -> Vector:
        """Return where the joints are after a step to a tool pose, at speeds that are taken up gradually."""
        before = self._speeds(dt)
        fastest = [min(top, max(free, v + a * dt)) for v, (top, free, a) in zip(before, self._tops, strict=True)]
        slowest = [-min(top, max(free, a * dt - v)) for v, (top, free, a) in zip(before, self._tops, strict=True)]
        return self._kinematics.follow(self._wanted, pose, dt, slowest=slowest, fastest=fastest)


_NOWHERE = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
