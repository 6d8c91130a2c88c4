import pytest

from robolearn.core.errors import ConfigError
from robolearn.safety import SafetyLimits


def test_lists_from_a_config_file_become_tuples():
    limits = SafetyLimits(workspace_low=[0, 0, 0], workspace_high=[1, 1, 1], wrench_max=[50, 10])
    assert limits.workspace_low == (0.0, 0.0, 0.0)
    assert limits.wrench_max == (50.0, 10.0)


@pytest.mark.parametrize(
    "bad",
    [
        {"workspace_low": (0.0, 0.0)},
        {"workspace_low": (float("nan"), 0.0, 0.0)},
        {"workspace_low": (0.2, -0.5, 0.9)},
        {"speed": 0.0},
        {"jerk": -1.0},
        {"acceleration": float("nan")},
        {"joint_margin": -0.1},
        {"tilt_max": 0.0},
        {"wrench_max": (100.0, 0.0)},
        {"wrench_max": (100.0,)},
        {"tracking_fault": (-1.0, 1.0)},
    ],
)
def test_a_limit_that_makes_no_sense_is_named(bad):
    with pytest.raises(ConfigError, match="safety"):
        SafetyLimits(**bad)


def test_zero_margins_are_limits_too():
    assert SafetyLimits(joint_margin=0.0, joint_overrun=0.0).joint_margin == 0.0


def test_misspelt_limits_are_refused():
    with pytest.raises(TypeError, match="sped"):
        SafetyLimits(sped=1.0)
