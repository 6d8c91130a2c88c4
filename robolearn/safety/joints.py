"""Projection of joint positions and velocities on the limits; rad, each joint on its own."""

from dataclasses import dataclass

import numpy as np

from robolearn.core.geometry import Vector
from robolearn.core.robot import RobotSpec
from robolearn.safety.limits import SafetyLimits
from robolearn.safety.motion import SLACK


@dataclass(slots=True, frozen=True)
class JointState:
    """The motion of the accepted joint set-points, each (n,)."""

    q: Vector
    dq: Vector

    def to_array(self) -> Vector:
        """Return (2n,): positions, velocities."""
        return np.concatenate([self.q, self.dq])

    @classmethod
    def from_array(cls, array: Vector) -> "JointState":
        """Build from what `to_array` returned."""
        q, dq = np.split(array, 2)
        return cls(q.copy(), dq.copy())


class JointLimiter:
    """Brings joint set-points within position, velocity, acceleration and error clip; stateless.

    A joint is never faster than the speed from which it can stop before its limit: `v dt + v^2 / (2 a) <= distance`.
    With it the next, by `a dt` slower, velocity keeps the same inequality, so a stop stays possible.
    """

    def __init__(self, limits: SafetyLimits, spec: RobotSpec) -> None:
        self._error = limits.joint_error
        self._low = np.array(spec.q_min) + limits.joint_margin
        self._high = np.array(spec.q_max) - limits.joint_margin
        self._speed = limits.joint_speed_fraction * np.array(spec.dq_max)
        self._acceleration = limits.joint_acceleration_fraction * np.array(spec.ddq_max)

    def anchor(self, q: Vector) -> JointState:
        """Return the state at rest at a measured configuration (n,)."""
        return JointState(q.copy(), np.zeros_like(q))

    def position(
        self, state: JointState, target: Vector, q: Vector, dt: float
    ) -> tuple[JointState, Vector, tuple[str, ...]]:
        """Project target positions (n,); `q` is measured; return next state, admissible target, names of limits."""
        low, high = np.minimum(self._low, state.q), np.maximum(self._high, state.q)
        wanted = np.minimum(np.maximum(target, low), high)
        names: tuple[str, ...] = () if np.array_equal(wanted, target) else ("joint_limit",)
        dq, changed = self._velocity((wanted - state.q) / dt, state.q, state.dq, dt)
        reached = np.minimum(np.maximum(state.q + dt * dq, low), high) if changed else wanted
        names += changed
        led = np.minimum(np.maximum(reached, q - self._error), q + self._error)
        if (np.abs(reached - q) > self._error * SLACK).any():
            dq = np.where(led == reached, dq, 0.0)
            return JointState(led, dq), led, (*names, "joint_error")
        return JointState(reached, dq), (reached if names else target), names

    def velocity(
        self, state: JointState, target: Vector, q: Vector, dt: float
    ) -> tuple[JointState, Vector, tuple[str, ...]]:
        """Project target velocities (n,) from the measured configuration on; returns as `position`."""
        dq, names = self._velocity(target, q, state.dq, dt)
        return JointState(q.copy(), dq), (dq if names else target), names

    def out_of_range(self, q: Vector) -> list[int]:
        """Return the joints of a configuration (n,) that are outside of the allowed range."""
        return np.flatnonzero((q < self._low) | (q > self._high)).tolist()

    def allowed(self, joint: int) -> tuple[float, float]:
        """Return the range of one joint's set-points."""
        return float(self._low[joint]), float(self._high[joint])

    def _velocity(self, wanted: Vector, q: Vector, before: Vector, dt: float) -> tuple[Vector, tuple[str, ...]]:
        a = self._acceleration
        bounds = (
            ("joint_speed", -self._speed, self._speed),
            ("joint_acceleration", before - a * dt, before + a * dt),
            ("joint_braking", -self._stoppable(q - self._low, dt), self._stoppable(self._high - q, dt)),
        )
        names: list[str] = []
        dq = wanted
        for name, low, high in bounds:
            bounded = np.minimum(np.maximum(dq, low), high)
            if (np.abs(bounded - dq) > (SLACK - 1.0) * self._speed).any():
                names.append(name)
                dq = bounded
        return dq, tuple(names)

    def _stoppable(self, distance: Vector, dt: float) -> Vector:
        a = self._acceleration
        return a * (np.sqrt(dt * dt + 2.0 * np.maximum(distance, 0.0) / a) - dt)
