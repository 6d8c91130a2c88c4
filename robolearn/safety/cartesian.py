"""Projection of tool poses and twists on the limits; positions in m, base frame, quat_wxyz."""

import math
from dataclasses import dataclass, replace

import numpy as np

from robolearn.core.geometry import Pose, Vector, quat_from_rotvec, quat_multiply, quat_normalize, rotation_error
from robolearn.safety.limits import SafetyLimits
from robolearn.safety.motion import (
    SLACK,
    UNBOUNDED,
    ZERO,
    Rates,
    Track,
    Triple,
    add,
    advance,
    clamp,
    rest,
)

_MARGIN_M = 0.02
"""By which the box is smaller for twists, which start from where the tool is measured: an arm leads that, and is late to stop."""
_DOWN: Triple = (-math.inf, -math.inf, -math.inf)


@dataclass(slots=True, frozen=True)
class CartesianState:
    """The motion of the accepted tool set-points."""

    track: Track
    quat_wxyz: Vector
    spin: Track
    """Rotation: angular velocity and acceleration; its position stays zero."""

    def to_array(self) -> Vector:
        """Return (25,): position, velocity, acceleration, box corners, quat_wxyz, spin velocity and acceleration."""
        t, s = self.track, self.spin
        return np.array(
            [*t.position, *t.velocity, *t.acceleration, *t.low, *t.high, *self.quat_wxyz, *s.velocity, *s.acceleration]
        )

    @classmethod
    def from_array(cls, array: Vector) -> "CartesianState":
        """Build from what `to_array` returned."""
        rows: list[Triple] = [(float(a), float(b), float(c)) for a, b, c in array[:15].reshape(5, 3)]
        spin: list[Triple] = [(float(a), float(b), float(c)) for a, b, c in array[19:].reshape(2, 3)]
        return cls(Track(*rows), array[15:19].copy(), Track(ZERO, *spin))


class CartesianLimiter:
    """Brings tool set-points within workspace, rates, tilt and error clip; stateless, the caller keeps the state."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = limits
        self._low, self._high = limits.workspace_low, limits.workspace_high
        self._within = _shrunk(self._low, self._high)
        self._linear = Rates(limits.speed, limits.acceleration, limits.jerk, period_s)
        self._angular = Rates(limits.angular_speed, limits.angular_acceleration, limits.angular_jerk, period_s)

    def anchor(self, measured: Pose, twist: Vector | None = None) -> CartesianState:
        """Return the state at a measured pose, and with a measured twist (6,) in base; at rest without one."""
        vx, vy, vz, wx, wy, wz = (0.0,) * 6 if twist is None else twist.tolist()
        track = replace(rest(_triple(measured.position), self._low, self._high), velocity=(vx, vy, vz))
        return CartesianState(track, measured.quat_wxyz.copy(), Track(ZERO, (wx, wy, wz)))

    def pose(
        self, state: CartesianState, target: Vector, measured: Pose, dt: float
    ) -> tuple[CartesianState, Vector, tuple[str, ...]]:
        """Project a target pose (7,).

        Args:
            state: As left by the previous accepted set-point.
            target: Finite, with a unit quaternion up to rounding.
            measured: Where the tool is.
            dt: Seconds since the previous set-point.

        Returns:
            The next state, the admissible pose (7,), and the names of the limits that changed it.
        """
        values: list[float] = target.tolist()
        wanted: Triple = (values[0], values[1], values[2])
        track, moved = self._move(state.track, wanted, measured, dt)
        spin, quat_wxyz, turned = self._turn(state, target[3:], measured, dt)
        if not moved and not turned:
            return CartesianState(track, quat_wxyz, spin), target, ()
        return CartesianState(track, quat_wxyz, spin), np.array([*track.position, *quat_wxyz.tolist()]), moved + turned

    def twist(
        self, state: CartesianState, target: Vector, measured: Pose, dt: float
    ) -> tuple[CartesianState, Vector, tuple[str, ...]]:
        """Project a target twist (6,): as `pose`, but from the measured pose on, so that nothing winds up."""
        vx, vy, vz, wx, wy, wz = target.tolist()
        here = _triple(measured.position)
        low, high = self._within
        start = rest(here, low, high)
        start = replace(start, velocity=state.track.velocity, acceleration=state.track.acceleration)
        track, moved = advance(start, (vx, vy, vz), self._linear, dt, low, high)
        spin, turned = advance(state.spin, (wx, wy, wz), self._angular, dt, _DOWN, UNBOUNDED)
        spin = replace(spin, position=ZERO)
        quat_wxyz = measured.quat_wxyz
        names = (*moved, *(f"angular_{name}" for name in turned))
        if self._leaves_tilt(quat_multiply(quat_from_rotvec(dt * np.array(spin.velocity)), quat_wxyz), quat_wxyz):
            spin, names = Track(ZERO), (*names, "tilt")
        reached = CartesianState(track, quat_wxyz.copy(), spin)
        return reached, (target if not names else np.array([*track.velocity, *spin.velocity])), names

    def lasts_s(self, reached: CartesianState, valid_for_s: float, dt: float) -> float:
        """Return for how long a twist, which has got to `reached` after `dt` s, can go on until a stop would end outside of the box, or tilted."""
        track, spin = reached.track, np.array(reached.spin.velocity)
        stop_s = 0.5 * math.hypot(*track.velocity) / self._limits.acceleration
        left = [
            ((high if speed > 0.0 else low) - position) / speed - stop_s
            for position, speed, low, high in zip(track.position, track.velocity, *self._within, strict=True)
            if speed != 0.0
        ]
        most = min(valid_for_s, dt + max(min(left, default=math.inf), 0.0))
        if self._limits.tilt_max is None or not spin.any():
            return most
        turn_s, lasts = 0.5 * math.hypot(*reached.spin.velocity) / self._limits.angular_acceleration, min(dt, most)
        while lasts < most:
            longer = min(lasts + dt, most)
            turned = quat_multiply(quat_from_rotvec((longer + turn_s) * spin), reached.quat_wxyz)
            if self._leaves_tilt(turned, reached.quat_wxyz):
                break
            lasts = longer
        return lasts

    def _move(self, track: Track, wanted: Triple, measured: Pose, dt: float) -> tuple[Track, tuple[str, ...]]:
        target = clamp(wanted, track.low, track.high)
        names: tuple[str, ...] = () if target == wanted else ("workspace",)
        reached, changed = self._step(track, target, dt)
        names += changed
        here = _triple(measured.position)
        led = _lead(reached.position, here, self._limits.position_error, clamp(here, self._low, self._high))
        if led is not reached.position:
            moved, broken = self._step(track, led, dt)  # a motion like any other, or, where rates forbid it, a rest
            return rest(led, self._low, self._high) if broken else moved, (*names, "position_error")
        return reached, names

    def _step(self, track: Track, target: Triple, dt: float) -> tuple[Track, tuple[str, ...]]:
        """Take one step to `target`, or as far as the rates allow, and name those that do not."""
        x, y, z = add(target, track.position, -1.0)
        reached, names = advance(track, (x / dt, y / dt, z / dt), self._linear, dt, self._low, self._high)
        return reached if names else replace(reached, position=target), names

    def _turn(
        self, state: CartesianState, target_wxyz: Vector, measured: Pose, dt: float
    ) -> tuple[Track, Vector, tuple[str, ...]]:
        names: list[str] = []
        target = target_wxyz
        if self._leaves_tilt(target_wxyz, state.quat_wxyz):
            target, names = self._upright(target_wxyz), ["tilt"]
        wanted = _triple(rotation_error(target, state.quat_wxyz) / dt)
        spin, changed = advance(state.spin, wanted, self._angular, dt, _DOWN, UNBOUNDED)
        if changed:
            names.extend(f"angular_{name}" for name in changed)
            target = quat_normalize(quat_multiply(quat_from_rotvec(dt * np.array(spin.velocity)), state.quat_wxyz))
            if self._leaves_tilt(target, state.quat_wxyz):
                target, spin = state.quat_wxyz, Track(ZERO)
                names.append("tilt")
        lead = rotation_error(target, measured.quat_wxyz)
        angle = math.sqrt(float(lead @ lead))
        if angle > self._limits.rotation_error * SLACK:
            share = self._limits.rotation_error / angle
            target = quat_normalize(quat_multiply(quat_from_rotvec(share * lead), measured.quat_wxyz))
            return Track(ZERO), target, (*names, "rotation_error")
        return replace(spin, position=ZERO), target.copy(), tuple(names)

    def _leaves_tilt(self, quat_wxyz: Vector, before_wxyz: Vector) -> bool:
        """Return whether an orientation is tilted too far, and further than the one before."""
        limit = self._limits.tilt_max
        if limit is None:
            return False
        tilt = _tilt(quat_wxyz)
        return tilt > limit * SLACK and tilt > _tilt(before_wxyz)

    def _upright(self, quat_wxyz: Vector) -> Vector:
        """Return the nearest orientation within the tilt limit."""
        limit = self._limits.tilt_max or 0.0
        x, y = _tool_z(quat_wxyz)[:2]
        norm = math.hypot(x, y)
        axis = np.array([-y / norm, x / norm, 0.0]) if norm > 1e-9 else np.array([1.0, 0.0, 0.0])
        return quat_normalize(quat_multiply(quat_from_rotvec((_tilt(quat_wxyz) - limit) * axis), quat_wxyz))


def _lead(point: Triple, here: Triple, reach: float, inner: Triple) -> Triple:
    """Return `point` itself if it is within `reach` of `here`, else the last such point on the way from the box.

    `inner` is the point of the box nearest to `here`; from it the way to `point` stays in the box. Where the box itself
    is out of reach the answer lies outside of it, `reach` towards it.
    """
    gap = add(point, here, -1.0)
    if math.hypot(*gap) <= reach * SLACK:
        return point
    start = add(inner, here, -1.0)
    offset = math.hypot(*start)
    if offset >= reach:
        return add(here, start, reach / offset)
    way = add(point, inner, -1.0)
    a = way[0] * way[0] + way[1] * way[1] + way[2] * way[2]
    b = start[0] * way[0] + start[1] * way[1] + start[2] * way[2]
    share = (math.sqrt(b * b + a * (reach * reach - offset * offset)) - b) / a
    return add(inner, way, min(share, 1.0))


def _tool_z(quat_wxyz: Vector) -> Triple:
    w, x, y, z = quat_wxyz.tolist()
    return (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y))


def _tilt(quat_wxyz: Vector) -> float:
    """Return the angle between the tool's z axis and straight down, in [0, pi]."""
    x, y, z = _tool_z(quat_wxyz)
    return math.atan2(math.hypot(x, y), -z)


def _shrunk(low: Triple, high: Triple) -> tuple[Triple, Triple]:
    """Return the corners of a box less its margin, which is never more than a quarter of a side."""
    margins = [min(_MARGIN_M, 0.25 * (top - bottom)) for bottom, top in zip(low, high, strict=True)]
    return add(low, (margins[0], margins[1], margins[2])), add(high, (margins[0], margins[1], margins[2]), -1.0)


def _triple(vector: Vector) -> Triple:
    x, y, z = vector.tolist()
    return (x, y, z)
