"""Drivers of real arms beyond the contract, against fakes of their vendors' libraries."""

import sys
import time

import fake_franky
import fake_lerobot
import numpy as np
import pytest

from robolearn.core import arms
from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import rotation_error
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.hardware.arms.franka import FrankaArm, FrankaConfig
from robolearn.hardware.arms.lerobot import SO101_KWARGS, LeRobotArm, LeRobotConfig
from robolearn.safety import SafetyLimits, SupervisedRobot

HOST = "192.0.2.1"


def until(condition, patience_s=3.0):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def insist(arm, target, times=100):
    for _ in range(times):
        arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target))
        time.sleep(0.01)


def make_lerobot(**kwargs):
    cfg = LeRobotConfig(
        robot="fake_lerobot:Robot", config="fake_lerobot:RobotConfig", kwargs={**SO101_KWARGS, **kwargs}
    )
    return LeRobotArm(cfg, WallClock(0.1), arms.SO101)


def test_an_arm_of_lerobot_is_told_degrees_and_shares_of_its_gripper():
    with make_lerobot() as arm:
        robot = fake_lerobot.Robot.made[-1]
        q = arm.state().q
        np.testing.assert_allclose(q, arms.SO101.q_home, atol=1e-9)
        arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=q + 0.1, gripper=0.25))
        assert until(lambda: np.abs(arm.state().q - q - 0.1).max() < 1e-3)
        assert until(lambda: abs(arm.state().gripper - 0.25) < 1e-3)
        np.testing.assert_allclose(robot.goal, np.append(np.degrees(q + 0.1), 25.0), atol=1e-6)
        assert robot.config.disable_torque_on_disconnect is False, "an arm whose motors let go falls"
    assert not robot.is_connected


def test_a_cable_that_comes_off_is_a_fault_and_ends_all_commands():
    with make_lerobot() as arm:
        target = arm.state().q + 0.3
        arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target))
        fake_lerobot.Robot.made[-1].unplugged = True
        assert until(lambda: any("ConnectionError" in fault for fault in arm.state().faults))
        with pytest.raises(DriverError, match="see to it, then restart"):
            arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target))


def test_an_arm_whose_library_hangs_is_stale_and_no_longer_commanded():
    arm = make_lerobot()
    with SupervisedRobot(arm, SafetyLimits(), WallClock(0.1)) as robot:
        library, target = fake_lerobot.Robot.made[-1], arm.state().q
        library.hung = True
        time.sleep(0.3)
        before = arm.state()
        assert before.faults == (), "it may take a while"
        assert until(lambda: arm.state().faults == ("stale",), 1.0)
        assert arm.state() is not before
        assert robot.state().faults == ("driver:stale",)
        with pytest.raises(DriverError, match="got stale"):
            arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target))
        library.hung = False
        assert until(lambda: arm.state().faults == ())
        library.hung = True
    with pytest.raises(DriverError, match="one that hangs"), arm:
        pass
    library.hung = False


def test_what_an_arm_cannot_do_better_is_in_its_spec():
    assert make_lerobot().spec.reset_tolerance == 0.05
    assert make_franka().spec.reset_tolerance == 0.02


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"port": "/dev/none"}, DriverError, "plugged in"),
        ({"calibrated": False}, DriverError, "lerobot-calibrate"),
        ({"colour": "red"}, ConfigError, "colour"),
    ],
)
def test_an_arm_of_lerobot_that_cannot_be_used_says_why(kwargs, error, text):
    with pytest.raises(error, match=text), make_lerobot(**kwargs):
        pass


@pytest.mark.parametrize(
    ("robot", "text"),
    [
        ("no_such_library.arms:Arm", "pip install no_such_library"),
        ("fake_lerobot:NoArm", "module:class"),
        ("fake_lerobot", "module:class"),
    ],
)
def test_a_class_that_is_not_there_is_named(robot, text):
    with pytest.raises(ConfigError, match=text), LeRobotArm(LeRobotConfig(robot=robot), WallClock(0.1), arms.SO101):
        pass


def test_another_arm_than_the_spec_says_is_refused():
    cfg = LeRobotConfig(robot="fake_lerobot:Robot", config="fake_lerobot:RobotConfig")
    with pytest.raises(ConfigError, match="joint1"), LeRobotArm(cfg, WallClock(0.1), arms.PANDA):
        pass


@pytest.fixture
def franka(monkeypatch):
    monkeypatch.setitem(sys.modules, "franky", fake_franky.module())
    monkeypatch.setitem(fake_franky.ARMS, HOST, fake_franky.Arm())
    return fake_franky.ARMS[HOST]


def make_franka(**cfg):
    return FrankaArm(FrankaConfig(**{"host": HOST, **cfg}), WallClock(0.1), arms.PANDA)


def test_a_franka_follows_without_the_lag_of_its_springs(franka):
    with make_franka() as arm:
        for _ in range(8):
            twist = np.array([0.0, 0.1, 0.0, 0.0, 0.0, 0.0])
            arm.command(RobotCommand(mode=CommandMode.TWIST, target=twist, valid_for_s=0.3))
            time.sleep(0.1)
        gap = franka.tracker.target.position - arm.state().pose_tool_in_base.position
        assert np.abs(gap).max() < 0.004, "0.1 m/s behind a spring of 800 N/m lag 7 mm without the speed told"
        assert arm.state().twist[1] == pytest.approx(0.1, abs=0.02)


def test_a_late_tick_tells_a_franka_no_higher_speed(franka):
    with make_franka() as arm:
        franka.slow_s = 0.03
        for _ in range(5):
            arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=arm.state().q + 0.02 * np.eye(7)[0]))
            time.sleep(0.2)
        assert 0.1 < franka.tracker.fastest < 0.3, "0.02 rad in 0.1 s"


def test_a_late_tick_of_a_speed_loses_no_way(franka):
    with make_franka() as arm:
        franka.slow_s, start = 0.03, arm.state().q[0]
        target = 0.2 * np.eye(7)[0]
        arm.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=target, valid_for_s=1.0))
        time.sleep(0.9)
        assert arm.state().q[0] - start == pytest.approx(0.18, abs=0.03)


def test_an_obstacle_winds_up_no_spring_of_a_franka(franka):
    with make_franka() as arm:
        franka.blocked = True
        q, pose = arm.state().q, arm.state().pose_tool_in_base
        arm.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=np.full(7, 0.5), valid_for_s=1.0))
        time.sleep(0.6)
        np.testing.assert_allclose(franka.tracker.target - q, 0.1, atol=1e-6)
        twist = np.array([0.0, 0.2, 0.0, 0.0, 0.0, 0.8])
        arm.command(RobotCommand(mode=CommandMode.TWIST, target=twist, valid_for_s=1.0))
        time.sleep(0.6)
        aim = franka.tracker.target
        np.testing.assert_allclose(aim.position - pose.position, [0.0, 0.03, 0.0], atol=1e-6)
        np.testing.assert_allclose(rotation_error(aim.quat_wxyz, pose.quat_wxyz), [0.0, 0.0, 0.15], atol=1e-6)


def test_a_frankas_reflex_is_a_fault_and_entering_again_recovers(franka):
    arm = make_franka()
    with arm:
        target = arm.state().q + 0.3
        arm.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target))
        time.sleep(0.05)
        franka.reflex = True
        assert until(lambda: any("ControlException" in fault for fault in arm.state().faults))
        with pytest.raises(DriverError, match="see to it, then restart"):
            insist(arm, target)
    with arm:
        assert arm.state().faults == ()
        insist(arm, arm.state().q + 0.02, times=3)


def test_a_hand_that_falls_silent_is_a_fault(franka):
    with make_franka() as arm:
        franka.unplugged_hand = True
        assert until(lambda: arm.state().faults == ("hand: NetworkException",))


def test_a_franka_that_is_not_there_is_named(franka, monkeypatch):
    with pytest.raises(ConfigError, match="control box"), make_franka(host=""):
        pass
    with pytest.raises(DriverError, match="FCI activated"), make_franka(host="192.0.2.250"):
        pass
    franka.unplugged_hand = True
    with pytest.raises(DriverError, match="UDP receive"), make_franka():
        pass
    monkeypatch.setitem(sys.modules, "franky", None)
    with pytest.raises(ConfigError, match="franky-control"), make_franka():
        pass
