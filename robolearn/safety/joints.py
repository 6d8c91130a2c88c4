"""Projection of joint positions and velocities on the limits; rad, each joint on its own."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import sub

import numpy as np

from robolearn.core.geometry import Vector
from robolearn.core.robot import RobotSpec
from robolearn.safety.limits import SafetyLimits
from robolearn.safety.motion import SLACK
from robolearn.safety.reach import Reach

_BISECTIONS = 8
_MARGIN_M = 0.03
"""By which the box is smaller in joint modes: servos follow late, and the way of a stop is not straight."""


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
    With it the next, by `a dt` slower, velocity keeps the same inequality, so a stop stays possible. Where an arm's links are known, the
    tool of that stop is kept in the workspace box in the same way; outside of it, it may only come nearer.
    """

    def __init__(self, limits: SafetyLimits, spec: RobotSpec) -> None:
        self._error = limits.joint_error
        self._low = np.array(spec.q_min) + limits.joint_margin
        self._high = np.array(spec.q_max) - limits.joint_margin
        self._speed = limits.joint_speed_fraction * np.array(spec.dq_max)
        self._acceleration = limits.joint_acceleration_fraction * np.array(spec.ddq_max)
        self._reach = Reach(spec) if spec.links else None
        self._low_m = tuple(low + _MARGIN_M for low in limits.workspace_low)
        self._high_m = tuple(high - _MARGIN_M for high in limits.workspace_high)

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
        self, state: JointState, target: Vector, q: Vector, measured_dq: Vector, dt: float
    ) -> tuple[JointState, Vector, tuple[str, ...]]:
        """Project target velocities (n,) from the measured configuration and speeds on; returns as `position`."""
        dq, names = self._velocity(target, q, state.dq, dt, measured_dq)
        return JointState(q.copy(), dq), (dq if names else target), names

    def lasts_s(self, state: JointState, valid_for_s: float, dt: float) -> float:
        """Return for how long, in steps of `dt` s, joint velocities can go on until a stop would end outside of the box."""
        if self._reach is None:
            return valid_for_s
        outside, lasts = self._outside(state.q), min(dt, valid_for_s)
        while lasts < valid_for_s:
            longer = min(lasts + dt, valid_for_s)
            if self._outside(self._rest(state.q, state.dq, longer * state.dq)) > outside:
                break
            lasts = longer
        return lasts

    def out_of_range(self, q: Vector) -> list[int]:
        """Return the joints of a configuration (n,) that are outside of the allowed range."""
        return np.flatnonzero((q < self._low) | (q > self._high)).tolist()

    def allowed(self, joint: int) -> tuple[float, float]:
        """Return the range of one joint's set-points."""
        return float(self._low[joint]), float(self._high[joint])

    def _velocity(
        self, wanted: Vector, q: Vector, before: Vector, dt: float, measured_dq: Vector | None = None
    ) -> tuple[Vector, tuple[str, ...]]:
        """Bring velocities within the bounds; they are had from the first moment of the step, or taken up from `measured_dq` on."""
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
        if self._reach is None:
            return dq, tuple(names)
        outside = self._outside(q)

        def stays(dq: Vector) -> bool:
            step = dt * (dq if measured_dq is None else 0.5 * (measured_dq + dq))
            return self._outside(self._rest(q, dq, step)) <= outside

        return (dq, tuple(names)) if stays(dq) else (self._nearest(dq, before, dt, stays), (*names, "workspace"))

    def _nearest(self, dq: Vector, before: Vector, dt: float, stays: Callable[[Vector], bool]) -> Vector:
        """Bisect between braking, from which a stop was possible, and `dq`, from which it is not."""
        braking = np.sign(before) * np.maximum(np.abs(before) - self._acceleration * dt, 0.0)
        near, far = 0.0, 1.0
        for _ in range(_BISECTIONS):
            share = 0.5 * (near + far)
            if stays(braking + share * (dq - braking)):
                near = share
            else:
                far = share
        return braking + near * (dq - braking)

    def _rest(self, q: Vector, dq: Vector, step: Vector) -> Vector:
        """Return where the joints are after a step at whose end they have speeds `dq`, and a stop."""
        return q + step + 0.5 * dq * np.abs(dq) / self._acceleration

    def _outside(self, q: Vector) -> float:
        """Return how far the tool is outside of the box less its margin, m."""
        assert self._reach is not None
        at = self._reach.tool(q.tolist())
        return max(0.0, *map(sub, self._low_m, at), *map(sub, at, self._high_m))

    def _stoppable(self, distance: Vector, dt: float) -> Vector:
        a = self._acceleration
        return a * (np.sqrt(dt * dt + 2.0 * np.maximum(distance, 0.0) / a) - dt)
