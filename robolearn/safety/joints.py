"""Projection of joint positions and velocities on the limits; rad, each joint on its own.

Plain floats: for seven numbers they are several times faster than arrays.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import add, le, sub

import numpy as np

from robolearn.core.geometry import Vector
from robolearn.core.robot import RobotSpec
from robolearn.safety.limits import SafetyLimits
from robolearn.safety.motion import SLACK
from robolearn.safety.reach import Reach

Numbers = list[float]
"""One a joint."""
_BISECTIONS, _SLIDES = 8, 6
_CLEAR_M, _STEP, _EDGE = 1e-4, 1e-5, 1e-12
"""m by which a slide stays clear of a side, rad of numerical slopes, and what counts as no slope."""
_INSIDE: Numbers = [0.0] * 6
_MARGIN_M = 0.03
"""By which the box is smaller in joint modes: servos follow late, and the way of a stop is not straight."""


@dataclass(slots=True, frozen=True)
class JointState:
    """The motion of the accepted joint set-points."""

    q: Numbers
    """(n,) rad."""
    dq: Numbers
    """(n,) rad/s."""

    def to_array(self) -> Vector:
        """Return (2n,): positions, velocities."""
        return np.array([*self.q, *self.dq])

    @classmethod
    def from_array(cls, array: Vector) -> "JointState":
        """Build from what `to_array` returned."""
        q, dq = np.split(array, 2)
        return cls(q.tolist(), dq.tolist())


class JointLimiter:
    """Brings joint set-points within position, velocity, acceleration and error clip; stateless.

    A joint is never faster than the speed from which it can stop before its limit: `v dt + v^2 / (2 a) <= distance`.
    With it the next, by `a dt` slower, velocity keeps the same inequality, so a stop stays possible. Where an arm's links are known, the
    tool of that stop is kept in the workspace box in the same way; outside of it, it may only come nearer.
    """

    def __init__(self, limits: SafetyLimits, spec: RobotSpec) -> None:
        self._error = limits.joint_error
        self._low = [low + limits.joint_margin for low in spec.q_min]
        self._high = [high - limits.joint_margin for high in spec.q_max]
        self._speed = [limits.joint_speed_fraction * dq for dq in spec.dq_max]
        self._acceleration = [limits.joint_acceleration_fraction * ddq for ddq in spec.ddq_max]
        self._reach = Reach(spec) if spec.links else None
        self._low_m = tuple(low + _MARGIN_M for low in limits.workspace_low)
        self._high_m = tuple(high - _MARGIN_M for high in limits.workspace_high)

    def anchor(self, q: Vector, dq: Vector | None = None) -> JointState:
        """Return the state at a configuration (n,), and with joint speeds (n,); at rest without them."""
        return JointState(q.tolist(), [0.0] * len(q) if dq is None else dq.tolist())

    def position(
        self, state: JointState, target: Vector, q: Vector, dt: float, towards: Vector | None = None
    ) -> tuple[JointState, Vector, tuple[str, ...]]:
        """Project target positions (n,).

        Args:
            state: As left by the previous accepted set-point.
            target: Finite.
            q: Measured.
            dt: Seconds since the previous set-point.
            towards: Where a reset leads; on the way there, which is slow, the tool may be as far outside of each side of the box as it is there,
                needs no margin, and slides along the sides.

        Returns:
            The next state, the admissible target (n,), and the names of the limits that changed it.
        """
        allowed = _INSIDE if towards is None else [by + _MARGIN_M for by in self._outside(towards.tolist())]
        start, asked, measured = state.q, target.tolist(), q.tolist()
        if (free := self._free(start, asked, state.dq, measured, dt, allowed)) is not None:
            return JointState(asked, free), target, ()
        low, high = list(map(min, self._low, start)), list(map(max, self._high, start))
        wanted = _clamped(asked, low, high)
        names: tuple[str, ...] = () if wanted == asked else ("joint_limit",)
        dq, changed = self._velocity(
            [(w - s) / dt for w, s in zip(wanted, start, strict=True)],
            start,
            state.dq,
            dt,
            allowed=allowed,
            slides=towards is not None,
        )
        moved = [s + dt * v for s, v in zip(start, dq, strict=True)]
        reached = _clamped(moved, low, high) if changed else wanted
        names += changed
        led = _clamped(reached, [m - self._error for m in measured], [m + self._error for m in measured])
        if any(abs(r - m) > self._error * SLACK for r, m in zip(reached, measured, strict=True)):
            dq = [v if at == r else 0.0 for v, at, r in zip(dq, led, reached, strict=True)]
            return JointState(led, dq), np.array(led), (*names, "joint_error")
        return JointState(reached, dq), (np.array(reached) if names else target), names

    def velocity(
        self, state: JointState, target: Vector, q: Vector, measured_dq: Vector, dt: float
    ) -> tuple[JointState, Vector, tuple[str, ...]]:
        """Project target velocities (n,) from the measured configuration and speeds on; returns as `position`."""
        at = q.tolist()
        dq, names = self._velocity(target.tolist(), at, state.dq, dt, measured_dq.tolist())
        return JointState(at, dq), (np.array(dq) if names else target), names

    def lasts_s(self, state: JointState, valid_for_s: float, dt: float) -> float:
        """Return for how long, in steps of `dt` s, joint velocities can go on until a stop would end out of a joint's range, or of the box."""
        q, dq = state.q, state.dq
        low, high = list(map(min, self._low, q)), list(map(max, self._high, q))
        outside, lasts = self._outside(q), min(dt, valid_for_s)
        while lasts < valid_for_s:
            longer = min(lasts + dt, valid_for_s)
            rest = self._rest(q, dq, [longer * v for v in dq])
            if _clamped(rest, low, high) != rest or not self._stays(rest, outside):
                break
            lasts = longer
        return lasts

    def out_of_range(self, q: Vector) -> list[int]:
        """Return the joints of a configuration (n,) that are outside of the allowed range."""
        inside = zip(self._low, q.tolist(), self._high, strict=True)
        return [joint for joint, (low, at, high) in enumerate(inside) if not low <= at <= high]

    def out_of_box(self, q: Vector, home: Vector) -> Vector | None:
        """Return where the tool is at a configuration (n,), m, if that is outside of the box, and further than at `home`; else None."""
        reach, at = self._reach, q.tolist()
        if reach is None or self._stays(at, [max(by, _MARGIN_M) for by in self._outside(home.tolist())]):
            return None
        return np.array(reach.tool(at))

    def allowed(self, joint: int) -> tuple[float, float]:
        """Return the range of one joint's set-points."""
        return self._low[joint], self._high[joint]

    def _velocity(
        self,
        wanted: Numbers,
        q: Numbers,
        before: Numbers,
        dt: float,
        measured_dq: Numbers | None = None,
        allowed: Numbers = _INSIDE,
        slides: bool = False,
    ) -> tuple[Numbers, tuple[str, ...]]:
        """Bring velocities within the bounds; they are had from the first moment of the step, or taken up from `measured_dq` on.

        At a side of the box they are slowed down, or, for a slow motion that `slides`, led along it.
        """
        changes = [a * dt for a in self._acceleration]
        bounds = (
            ("joint_speed", [-v for v in self._speed], self._speed),
            ("joint_acceleration", list(map(sub, before, changes)), list(map(add, before, changes))),
            (
                "joint_braking",
                [-v for v in self._stoppable(map(sub, q, self._low), dt)],
                self._stoppable(map(sub, self._high, q), dt),
            ),
        )
        names: list[str] = []
        dq = wanted
        for name, low, high in bounds:
            bounded = _clamped(dq, low, high)
            if any(abs(b - v) > (SLACK - 1.0) * top for b, v, top in zip(bounded, dq, self._speed, strict=True)):
                names.append(name)
                dq = bounded
        outside = list(map(max, self._outside(q), allowed))

        def stays(dq: Numbers) -> bool:
            mean = dq if measured_dq is None else [0.5 * (m + v) for m, v in zip(measured_dq, dq, strict=True)]
            return self._stays(self._rest(q, dq, [dt * v for v in mean]), outside)

        if stays(dq):
            return dq, tuple(names)
        if slides:
            for _, low, high in bounds[:2]:
                dq = _clamped(self._slid(q, dq, dt, outside), low, high)
        return dq if stays(dq) else self._nearest(dq, before, changes, stays), (*names, "workspace")

    def _free(
        self, start: Numbers, asked: Numbers, before: Numbers, measured: Numbers, dt: float, allowed: Numbers
    ) -> Numbers | None:
        """Return the velocities of a step from `start` to `asked` if no limit minds, which is nearly always; else None."""
        dq: Numbers = []
        for joint, (s, to, v0, m) in enumerate(zip(start, asked, before, measured, strict=True)):
            v, a = (to - s) / dt, self._acceleration[joint]
            room = (self._high[joint] - s) if v > 0.0 else (s - self._low[joint])
            ahead = room - abs(v) * dt - 0.5 * v * v / a
            slow = abs(v) <= self._speed[joint] and abs(v - v0) <= a * dt
            if not (
                slow and ahead >= 0.0 and self._low[joint] <= to <= self._high[joint] and abs(to - m) <= self._error
            ):
                return None
            dq.append(v)
        rest = self._rest(start, dq, [dt * v for v in dq])
        stays = self._stays(rest, allowed) or self._stays(rest, list(map(max, self._outside(start), allowed)))
        return dq if stays else None

    def _slid(self, q: Numbers, dq: Numbers, dt: float, outside: Numbers) -> Numbers:
        """Return velocities without what leads out of the box: the tool slides along its sides. By Newton's method on where a stop ends."""
        for _ in range(_SLIDES):
            rest = self._rest(q, dq, [dt * v for v in dq])
            over = [by - most + _CLEAR_M for by, most in zip(self._outside(rest), outside, strict=True)]
            side = max(range(6), key=over.__getitem__)
            if over[side] <= 0.5 * _CLEAR_M:
                break
            here = self._outside(rest)[side]
            slopes: Numbers = []
            for joint in range(len(q)):
                moved = rest.copy()
                moved[joint] += _STEP
                slopes.append((self._outside(moved)[side] - here) / _STEP)
            reaches = [dt + abs(v) / a for v, a in zip(dq, self._acceleration, strict=True)]
            gains = [slope * reach for slope, reach in zip(slopes, reaches, strict=True)]
            steep = sum(gain * gain for gain in gains)
            if steep < _EDGE:
                break
            dq = [v - over[side] * gain / steep for v, gain in zip(dq, gains, strict=True)]
        return dq

    def _nearest(self, dq: Numbers, before: Numbers, changes: Numbers, stays: Callable[[Numbers], bool]) -> Numbers:
        """Bisect between braking, from which a stop was possible, and `dq`, from which it is not."""
        braking = [math.copysign(max(abs(v) - c, 0.0), v) for v, c in zip(before, changes, strict=True)]

        def between(share: float) -> Numbers:
            return [slow + share * (fast - slow) for slow, fast in zip(braking, dq, strict=True)]

        near, far = 0.0, 1.0
        for _ in range(_BISECTIONS):
            share = 0.5 * (near + far)
            near, far = (share, far) if stays(between(share)) else (near, share)
        return between(near)

    def _rest(self, q: Numbers, dq: Numbers, step: Numbers) -> Numbers:
        """Return where the joints are after a step at whose end they have speeds `dq`, and a stop."""
        each = zip(q, dq, step, self._acceleration, strict=True)
        return [at + by + 0.5 * v * abs(v) / a for at, v, by, a in each]

    def _outside(self, q: Numbers) -> Numbers:
        """Return how far the tool is outside of each of the six sides of the box less its margin, m; zeros where links are not known."""
        if self._reach is None:
            return _INSIDE
        at = self._reach.tool(q)
        return [max(by, 0.0) for by in (*map(sub, self._low_m, at), *map(sub, at, self._high_m))]

    def _stays(self, q: Numbers, outside: Numbers) -> bool:
        """Return whether the tool is no further outside of any side than that."""
        return all(map(le, self._outside(q), outside))

    def _stoppable(self, distance: Iterable[float], dt: float) -> Numbers:
        each = zip(distance, self._acceleration, strict=True)
        return [a * (math.sqrt(dt * dt + 2.0 * max(left, 0.0) / a) - dt) for left, a in each]


def _clamped(values: Numbers, low: Numbers, high: Numbers) -> Numbers:
    return [min(max(value, bottom), top) for value, bottom, top in zip(values, low, high, strict=True)]
