"""Bounded set-point motion of a 3-vector: the next velocity within speed, acceleration and jerk that can still stop.

Discrete time: `v_k = (p_k - p_{k-1}) / dt`, `a_k = (v_k - v_{k-1}) / dt`, `j_k = (a_k - a_{k-1}) / dt`. A velocity is
accepted only if a full stop from it, by `_brake`, keeps every bound. That stop is then the fallback of the next step,
so a bounded continuation always exists (the argument of reference governors, Garone et al., Automatica 2017). Plain
floats: for three numbers they are several times faster than arrays.
"""

import math
from dataclasses import dataclass

Triple = tuple[float, float, float]

ZERO: Triple = (0.0, 0.0, 0.0)
UNBOUNDED: Triple = (math.inf, math.inf, math.inf)
SLACK = 1.0 + 1e-6
"""Relative tolerance within which a bound counts as met, so that an accepted set-point passes unchanged."""
_EDGE = 1e-12
_BISECTIONS = 12


@dataclass(slots=True, frozen=True)
class Rates:
    """Bounds on the norms of velocity, acceleration and jerk, per s, s^2 and s^3, and the nominal period in s."""

    speed: float
    acceleration: float
    jerk: float
    period_s: float

    @property
    def brake_steps(self) -> int:
        """Return within how many periods a stop has to end."""
        return 8 + math.ceil(2.0 * (self.speed / self.acceleration + self.acceleration / self.jerk) / self.period_s)


@dataclass(slots=True, frozen=True)
class Track:
    """The motion of the accepted set-points, and the box that holds them and a full stop from here."""

    position: Triple
    velocity: Triple = ZERO
    acceleration: Triple = ZERO
    low: Triple = (-math.inf, -math.inf, -math.inf)
    high: Triple = UNBOUNDED


def rest(position: Triple, low: Triple, high: Triple) -> Track:
    """Return a track at rest; a position outside of the box widens it, and only by as much as is needed."""
    return Track(position, low=_lower(position, low), high=_upper(position, high))


def clamp(point: Triple, low: Triple, high: Triple) -> Triple:
    """Return the nearest point of a box."""
    return (
        min(max(point[0], low[0]), high[0]),
        min(max(point[1], low[1]), high[1]),
        min(max(point[2], low[2]), high[2]),
    )


def add(left: Triple, right: Triple, scale: float = 1.0) -> Triple:
    """Return left + scale * right."""
    return (left[0] + scale * right[0], left[1] + scale * right[1], left[2] + scale * right[2])


def advance(
    track: Track, wanted: Triple, rates: Rates, dt: float, low: Triple, high: Triple
) -> tuple[Track, tuple[str, ...]]:
    """Take one step of `dt` s towards a wanted velocity.

    Args:
        track: Where the previous accepted set-point left off.
        wanted: Velocity that would reach the target in this step; finite.
        rates: The bounds.
        dt: Seconds since the previous set-point.
        low: Lower corner of the box proper; the track's own may be wider while it comes in from outside.
        high: Upper corner.

    Returns:
        The track after the step, and the names of the bounds that changed the velocity, in order; if none, the new
        position is `track.position + dt * wanted` up to rounding.
    """
    names: list[str] = []
    velocity = _within(wanted, ZERO, rates.speed)
    if velocity is not wanted:
        names.append("speed")
    before, velocity = velocity, _within(velocity, track.velocity, rates.acceleration * dt)
    if velocity is not before:
        names.append("acceleration")
    coasting = add(track.velocity, track.acceleration, dt)
    before, velocity = velocity, _within(velocity, coasting, rates.jerk * dt * dt)
    if velocity is not before:
        names.append("jerk")
    reached = _certified(track, velocity, rates, dt, low, high)
    if reached is None:
        names.append("braking")
        reached = _nearest_stoppable(track, velocity, rates, dt, low, high)
    return reached, tuple(names)


def _within(point: Triple, center: Triple, radius: float) -> Triple:
    """Return `point` itself if it lies in a ball, else the ball's point on the way to it."""
    x, y, z = point[0] - center[0], point[1] - center[1], point[2] - center[2]
    norm = math.hypot(x, y, z)
    if norm <= radius * SLACK:
        return point
    scale = radius / norm
    return (center[0] + scale * x, center[1] + scale * y, center[2] + scale * z)


def _nearest_stoppable(track: Track, wanted: Triple, rates: Rates, dt: float, low: Triple, high: Triple) -> Track:
    """Bisect between braking now, which the previous step proved possible, and the wanted velocity."""
    braking = _brake(track.velocity, track.acceleration, rates, dt)
    best = _certified(track, braking, rates, dt, low, high) or _moved(track, braking, dt, track.low, track.high)
    span = add(wanted, braking, -1.0)
    near, far = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (near + far)
        candidate = _certified(track, add(braking, span, middle), rates, dt, low, high)
        if candidate is None:
            far = middle
        else:
            near, best = middle, candidate
    return best


def _certified(track: Track, velocity: Triple, rates: Rates, dt: float, low: Triple, high: Triple) -> Track | None:
    """Return the track after a step at `velocity` if a full stop from there keeps all bounds, else None."""
    bottom, top = track.low, track.high
    position = add(track.position, velocity, dt)
    if math.hypot(*velocity) > rates.speed * SLACK or not _inside(position, bottom, top):
        return None
    least = most = position
    now, change = velocity, add(velocity, track.velocity, -1.0)
    acceleration = (change[0] / dt, change[1] / dt, change[2] / dt)
    period = rates.period_s
    for _ in range(rates.brake_steps):
        slower = _brake(now, acceleration, rates, period)
        if slower == ZERO:
            return _moved(track, velocity, dt, _lower(least, low), _upper(most, high))
        acceleration = ((slower[0] - now[0]) / period, (slower[1] - now[1]) / period, (slower[2] - now[2]) / period)
        now, position = slower, add(position, slower, period)
        if math.hypot(*now) > rates.speed * SLACK or not _inside(position, bottom, top):
            return None
        least, most = _lower(position, least), _upper(position, most)
    return None


def _brake(velocity: Triple, acceleration: Triple, rates: Rates, dt: float) -> Triple:
    """Return the next velocity of a stop: zero if it can then stay there, else along a released deceleration."""
    x, y, z = velocity
    speed = math.hypot(x, y, z)
    reach = rates.jerk * dt * SLACK
    if speed <= min(rates.acceleration * SLACK, reach) * dt:
        ax, ay, az = acceleration
        if math.hypot(x / dt + ax, y / dt + ay, z / dt + az) <= reach:
            return ZERO
    deceleration = rates.jerk * (math.sqrt(0.25 * dt * dt + 2.0 * speed / rates.jerk) - 0.5 * dt)
    pull = -min(rates.acceleration, deceleration, speed / dt) / speed if speed > 0.0 else 0.0
    aim = _within((pull * x, pull * y, pull * z), acceleration, rates.jerk * dt)
    return add(velocity, aim, dt)


def _moved(track: Track, velocity: Triple, dt: float, low: Triple, high: Triple) -> Track:
    change = add(velocity, track.velocity, -1.0)
    bottom = (max(low[0], track.low[0]), max(low[1], track.low[1]), max(low[2], track.low[2]))
    top = (min(high[0], track.high[0]), min(high[1], track.high[1]), min(high[2], track.high[2]))
    return Track(
        clamp(add(track.position, velocity, dt), bottom, top),
        velocity,
        (change[0] / dt, change[1] / dt, change[2] / dt),
        bottom,
        top,
    )


def _inside(point: Triple, low: Triple, high: Triple) -> bool:
    return (
        low[0] - _EDGE <= point[0] <= high[0] + _EDGE
        and low[1] - _EDGE <= point[1] <= high[1] + _EDGE
        and low[2] - _EDGE <= point[2] <= high[2] + _EDGE
    )


def _lower(left: Triple, right: Triple) -> Triple:
    return (min(left[0], right[0]), min(left[1], right[1]), min(left[2], right[2]))


def _upper(left: Triple, right: Triple) -> Triple:
    return (max(left[0], right[0]), max(left[1], right[1]), max(left[2], right[2]))
