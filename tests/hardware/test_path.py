"""What becomes of a set-point as time goes on."""

import numpy as np
import pytest

from robolearn.core.geometry import quat_from_rotvec
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.hardware.arms.path import Path

HERE = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])


def joints(target, **more):
    return RobotCommand(mode=CommandMode.JOINT_POSITION, target=np.array(target, np.float64), **more)


def pose(position, turn=(0.0, 0.0, 0.0)):
    target = np.concatenate([np.array(position, np.float64), quat_from_rotvec(np.array(turn, np.float64))])
    return RobotCommand(mode=CommandMode.POSE, target=target)


def test_a_place_is_approached_evenly_within_a_period_and_then_held_even_when_it_has_expired():
    path = Path(period_s=0.1, ramp_s=0.1)
    assert path.at(0.0) is None
    path.follow(joints([1.0, -2.0], valid_for_s=0.2), np.zeros(2), 5.0)
    for now, share in [(5.0, 0.0), (5.05, 0.5), (5.1, 1.0), (5.3, 1.0), (60.0, 1.0)]:
        np.testing.assert_allclose(path.at(now).target, [share, -2.0 * share], atol=1e-9)
    path.leave()
    assert path.at(60.0) is None


def test_the_next_place_is_approached_from_where_the_path_is_and_not_from_where_the_arm_lags():
    path = Path(period_s=0.1, ramp_s=0.1)
    path.follow(joints([1.0]), np.zeros(1), 0.0)
    path.follow(joints([0.0]), np.array([0.2]), 0.05)
    assert path.at(0.05).target[0] == pytest.approx(0.5)
    assert path.at(0.10).target[0] == pytest.approx(0.25)


def test_another_mode_starts_from_the_arm():
    path = Path(period_s=0.1, ramp_s=0.1)
    path.follow(joints([1.0] * 7), np.zeros(7), 0.0)
    path.follow(pose([0.5, 0.0, 0.3]), HERE, 0.05)
    np.testing.assert_allclose(path.at(0.05).target, HERE)


def test_a_turn_goes_about_one_axis():
    path = Path(period_s=0.1, ramp_s=0.1)
    path.follow(pose([0.4, 0.0, 0.3], turn=(0.0, 0.0, 1.0)), HERE, 0.0)
    half = path.at(0.05).target
    np.testing.assert_allclose(half[:3], HERE[:3])
    np.testing.assert_allclose(half[3:], quat_from_rotvec(np.array([0.0, 0.0, 0.5])), atol=1e-9)


@pytest.mark.parametrize("mode", [CommandMode.TWIST, CommandMode.JOINT_VELOCITY])
def test_a_velocity_that_expires_falls_to_rest(mode):
    path = Path(period_s=0.1, ramp_s=0.2)
    path.follow(RobotCommand(mode=mode, target=np.full(6, 0.3), valid_for_s=0.5), np.zeros(6), 0.0)
    for now, share in [(0.0, 1.0), (0.5, 1.0), (0.6, 0.5), (0.69, 0.05)]:
        np.testing.assert_allclose(path.at(now).target, 0.3 * share, atol=1e-9)
    assert path.at(0.71) is None
