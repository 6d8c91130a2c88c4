"""What a latched fault does to an episode."""

import numpy as np
import pytest
from rig_env import Bench, act

from robolearn.core.errors import DriverError
from robolearn.core.specs import ActionKind, ActionPart, ActionSpec


def test_a_fault_of_motion_stops_all_arms_terminates_and_needs_a_person():
    two = ActionSpec(
        parts=tuple(
            ActionPart(arm=arm, kind=ActionKind.TRANSLATION_DELTA, size=3, scale=0.05) for arm in ("left", "right")
        )
    )
    bench = Bench(arms=("left", "right"), action=two)
    bench.env.reset(seed=0)
    bench.fakes["right"].wrench = np.array([0.0, 0.0, 150.0, 0.0, 0.0, 0.0])
    _, _, terminated, truncated, info = bench.env.step(np.full(6, 0.5, np.float32))
    assert (terminated, truncated) == (True, False)
    assert info["faults"] == ("right.force",)
    assert bench.fakes["left"].stops >= 1
    assert bench.fakes["right"].stops >= 1
    assert info["executed_clipped"] is True
    assert np.array_equal(info["executed_action"][3:], np.zeros(3))
    bench.fakes["right"].wrench = np.zeros(6)
    assert bench.env.step(np.full(6, 0.5, np.float32))[2]  # still refused, still terminal
    with pytest.raises(DriverError, match="force"):
        bench.env.reset(seed=0)
    bench.robots["right"].reset_faults()
    bench.env.reset(seed=0)
    assert not bench.env.step(np.full(6, 0.5, np.float32))[2]


def test_a_simulation_may_clear_faults_by_itself():
    bench = Bench(clear_faults=True)
    bench.env.reset(seed=0)
    bench.arm.wrench = np.full(6, 1e3)
    assert bench.env.step(act())[2]
    bench.arm.wrench = np.zeros(6)
    bench.env.reset(seed=0)
    assert not bench.env.step(act())[2]


def test_a_fault_of_a_device_truncates():
    bench = Bench()
    bench.env.reset(seed=0)
    bench.arm.faults = ("lost_connection",)
    _, _, terminated, truncated, info = bench.env.step(act())
    assert (terminated, truncated) == (False, True)
    assert info["faults"] == ("arm.driver:lost_connection",)
