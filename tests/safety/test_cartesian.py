"""For how long twists go on."""

import numpy as np
import pytest

from robolearn.core.geometry import Pose, quat_from_rotvec, quat_multiply
from robolearn.safety import SafetyLimits
from robolearn.safety.cartesian import CartesianLimiter

DOWN = np.array([0.0, 1.0, 0.0, 0.0])
DT = 0.1
LIMITS = SafetyLimits(tilt_max=0.5)


def reached(target, tilt=0.0):
    """Return the limiter, and what it accepts of a twist that is held from (0.5, 0, 0.4) on."""
    limiter = CartesianLimiter(LIMITS, DT)
    pose = Pose(np.array([0.5, 0.0, 0.4]), quat_multiply(quat_from_rotvec(np.array([tilt, 0.0, 0.0])), DOWN))
    state, _, _ = limiter.twist(limiter.anchor(pose, np.array(target)), np.array(target), pose, DT)
    return limiter, state


@pytest.mark.parametrize("speed", [0.1, 0.5, 1.0])
def test_a_twist_expires_before_a_stop_would_end_outside_of_the_box(speed):
    limiter, state = reached([speed, 0.0, 0.0, 0.0, 0.0, 0.0])
    stop_m = 0.5 * speed**2 / LIMITS.acceleration
    lasts = limiter.lasts_s(state, 60.0, DT)
    assert 0.5 + speed * lasts + stop_m == pytest.approx(0.8 - 0.02, abs=1e-6)
    assert limiter.lasts_s(state, 0.15, DT) == 0.15


def test_a_turning_twist_expires_before_a_stop_would_end_tilted():
    limiter, state = reached([0.0, 0.0, 0.0, 0.5, 0.0, 0.0], tilt=0.1)
    lasts = limiter.lasts_s(state, 60.0, DT)
    ends = 0.1 + 0.5 * lasts + 0.5 * 0.5**2 / LIMITS.angular_acceleration
    assert ends <= 0.5 < ends + 0.5 * DT


def test_a_turn_about_the_vertical_goes_on():
    limiter, state = reached([0.0, 0.0, 0.0, 0.0, 0.0, 0.5], tilt=0.1)
    assert limiter.lasts_s(state, 2.0, DT) == 2.0
