import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robolearn.safety.motion import ZERO, Rates, Track, add, advance, clamp, rest

LOW, HIGH = (-0.3, -0.3, -0.3), (0.3, 0.3, 0.3)
TIGHT = 1.0 + 1e-5
coordinates = st.floats(-0.3, 0.3)
points = st.tuples(coordinates, coordinates, coordinates)
directions = st.tuples(*[st.floats(-3.0, 3.0) for _ in range(3)])


@st.composite
def rates(draw: st.DrawFn) -> Rates:
    """Bounds that bind, from slack ones to jerk so tight that a stop takes several steps."""
    period = draw(st.sampled_from([0.01, 0.02, 0.1]))
    speed = draw(st.floats(0.1, 2.0))
    acceleration = draw(st.floats(0.05, 2.0)) * speed / (4 * period)
    jerk = draw(st.floats(0.05, 4.0)) * acceleration / period
    return Rates(speed, acceleration, jerk, period)


def run(bounds: Rates, start: tuple[float, float, float], wanted: list) -> list[Track]:
    tracks = [rest(start, LOW, HIGH)]
    for velocity in wanted:
        track, _ = advance(tracks[-1], velocity, bounds, bounds.period_s, LOW, HIGH)
        tracks.append(track)
    return tracks


@given(rates(), points, st.lists(directions, min_size=1, max_size=25))
@settings(max_examples=150)
def test_accepted_motion_keeps_speed_acceleration_jerk_and_box(bounds, start, wanted):
    tracks = run(bounds, start, wanted + wanted[-1:] * 5)
    dt = bounds.period_s
    p = np.array([start] * 3 + [track.position for track in tracks[1:]])
    v, a, j = np.diff(p, axis=0) / dt, np.diff(p, 2, axis=0) / dt**2, np.diff(p, 3, axis=0) / dt**3
    assert np.linalg.norm(v, axis=1).max() <= bounds.speed * TIGHT
    assert np.linalg.norm(a, axis=1).max() <= bounds.acceleration * TIGHT
    assert np.linalg.norm(j, axis=1).max() <= bounds.jerk * TIGHT
    assert (np.abs(p) <= 0.3).all()


@given(rates(), points, st.lists(directions, min_size=1, max_size=10))
def test_motion_can_always_come_to_rest(bounds, start, wanted):
    track = run(bounds, start, wanted)[-1]
    # "Zero wanted" is followed as fast as the bounds allow, so it ends in rest, and rest is kept.
    for _ in range(40 * bounds.brake_steps):
        if math.hypot(*track.velocity) < 1e-9 * bounds.speed:
            break
        track, _ = advance(track, ZERO, bounds, bounds.period_s, LOW, HIGH)
    assert math.hypot(*track.velocity) < 1e-3 * bounds.speed


@given(rates(), points, st.lists(directions, min_size=1, max_size=10), directions)
def test_projecting_an_accepted_velocity_changes_nothing(bounds, start, wanted, last):
    track = run(bounds, start, wanted)[-1]
    accepted, _ = advance(track, last, bounds, bounds.period_s, LOW, HIGH)
    again, names = advance(track, accepted.velocity, bounds, bounds.period_s, LOW, HIGH)
    assert names == ()
    assert again == accepted


def test_speed_and_acceleration_by_hand():
    bounds = Rates(1.0, 5.0, 1000.0, 0.1)
    track = rest((0.0, 0.0, 0.0), (-9, -9, -9), (9, 9, 9))
    first, names = advance(track, (4.0, 3.0, 0.0), bounds, 0.1, (-9, -9, -9), (9, 9, 9))
    # 5 m/s in direction (.8, .6) becomes 1 m/s by speed, then 0.5 m/s by 5 m/s^2 * 0.1 s
    assert names == ("speed", "acceleration")
    assert first.velocity == pytest.approx((0.4, 0.3, 0.0))
    assert first.position == pytest.approx((0.04, 0.03, 0.0))
    second, names = advance(first, (0.8, 0.6, 0.0), bounds, 0.1, (-9, -9, -9), (9, 9, 9))
    assert names == ()
    assert second.velocity == pytest.approx((0.8, 0.6, 0.0))


def test_jerk_by_hand():
    # jerk 10 m/s^3 * (0.1 s)^2 = 0.1 m/s may be gained in the first step, 0.2 m/s more in the second
    bounds = Rates(1.0, 5.0, 10.0, 0.1)
    box = ((-9.0, -9.0, -9.0), (9.0, 9.0, 9.0))
    track = rest((0.0, 0.0, 0.0), *box)
    track, names = advance(track, (0.5, 0.0, 0.0), bounds, 0.1, *box)
    assert names == ("jerk",)
    assert track.velocity[0] == pytest.approx(0.1)
    track, names = advance(track, (0.5, 0.0, 0.0), bounds, 0.1, *box)
    assert track.velocity[0] == pytest.approx(0.3)


def test_running_at_a_wall_brakes_before_it_and_gets_close():
    bounds = Rates(1.0, 1.0, 1000.0, 0.1)  # stopping from 1 m/s takes 10 steps
    track = rest((-0.3, 0.0, 0.0), LOW, HIGH)
    seen = []
    for _ in range(60):
        gap = add(clamp((9.0, 0.0, 0.0), LOW, HIGH), track.position, -1.0)
        track, names = advance(track, (gap[0] / 0.1, 0.0, 0.0), bounds, 0.1, LOW, HIGH)
        seen.extend(names)
        assert track.position[0] <= 0.3
    assert "braking" in seen
    assert track.position[0] == pytest.approx(0.3, abs=2e-3)


def test_a_start_outside_of_the_box_may_only_come_in():
    bounds = Rates(1.0, 10.0, 1000.0, 0.1)
    track = rest((0.5, 0.0, 0.0), LOW, HIGH)
    further, names = advance(track, (1.0, 0.0, 0.0), bounds, 0.1, LOW, HIGH)
    assert further.position[0] <= 0.5
    assert names == ("braking",)
    inner, names = advance(track, (-1.0, 0.0, 0.0), bounds, 0.1, LOW, HIGH)
    assert names == ()
    assert inner.position[0] == pytest.approx(0.4)
    back, _ = advance(inner, (0.5, 0.0, 0.0), bounds, 0.1, LOW, HIGH)
    assert back.position[0] <= 0.4 + 1e-9


def test_an_unhindered_step_is_cheap():
    bounds = Rates(1.0, 10.0, 200.0, 0.1)
    track = rest((0.0, 0.0, 0.0), LOW, HIGH)
    start = time.perf_counter()
    for _ in range(2000):
        advance(track, (0.3, 0.2, 0.1), bounds, 0.1, LOW, HIGH)
    assert (time.perf_counter() - start) / 2000 < 2e-4
