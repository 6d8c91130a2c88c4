"""Joint set-points of an arm whose links are known."""

import numpy as np

from robolearn.core.arms import PANDA
from robolearn.safety import SafetyLimits
from robolearn.safety.joints import JointLimiter


def test_a_way_to_a_home_outside_of_the_box_is_gone_to_its_end():
    """Home is 9 cm above this box; a stop just before it would end a fraction of a mm higher still."""
    limits = SafetyLimits(workspace_low=(0.3, -0.25, 0.02), workspace_high=(0.7, 0.25, 0.4))
    limiter, home = JointLimiter(limits, PANDA), np.array(PANDA.q_home)
    start = home + np.array([0.007, 0.039, 0.001, 0.022, -0.001, 0.017, 0.005])
    q, dt = start, 0.1
    state = limiter.anchor(q)
    for step in range(1, 21):
        target = start + step / 20 * (home - start)
        state, q, _ = limiter.position(state, target, q, dt, home)
    np.testing.assert_allclose(q, home, atol=1e-9)
