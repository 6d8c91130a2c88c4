"""Drivers of real arms beyond the contract, against fakes of their vendors' libraries."""

import sys
import time

import fake_franky
import fake_lerobot
import fake_ur
import numpy as np
import pytest
from msgspec.structs import replace

from robolearn.core import arms
from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.geometry import rotation_error
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.hardware.arms.franka import FrankaArm, FrankaConfig
from robolearn.hardware.arms.lerobot import SO101_KWARGS, LeRobotArm, LeRobotConfig
from robolearn.hardware.arms.ur import UrArm, UrConfig
from robolearn.safety import SafetyLimits, SupervisedRobot
from robolearn.safety.reach import Reach

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


@pytest.fixture
def controller(monkeypatch):
    for name, module in fake_ur.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    fake_ur.CONTROLLERS[HOST] = fake_ur.Controller()
    yield fake_ur.CONTROLLERS[HOST]
    fake_ur.CONTROLLERS.clear()


def make_ur(**cfg):
    return UrArm(UrConfig(**{"host": HOST, "rate_hz": 125.0, "watchdog_hz": 2.0, **cfg}), WallClock(0.1), arms.UR5E)


def test_a_ur_follows_joints_poses_and_speeds_and_rests_between(controller):
    with make_ur() as ur:
        q = ur.state().q
        ur.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=q + 0.05))
        assert until(lambda: np.abs(ur.state().q - q - 0.05).max() < 1e-3)
        start = ur.state().pose_tool_in_base.to_array()
        ur.command(RobotCommand(mode=CommandMode.POSE, target=start + np.array([0.0, 0.0, 0.03, 0.0, 0.0, 0.0, 0.0])))
        assert until(lambda: abs(ur.state().pose_tool_in_base.position[2] - start[2] - 0.03) < 1e-3)
        ur.command(RobotCommand(mode=CommandMode.TWIST, target=np.array([0.0, 0.05, 0, 0, 0, 0]), valid_for_s=0.2))
        assert until(lambda: ur.state().twist[1] > 0.04)
        assert until(lambda: np.abs(ur.state().dq).max() < 1e-6)
    assert not controller.in_control


def test_a_ur_drives_home(controller):
    with make_ur() as ur:
        ur.reset(np.array(arms.UR5E.q_home) + 0.1)
        assert np.abs(ur.state().q - arms.UR5E.q_home - 0.1).max() < 0.011
        ur.reset()
        assert np.abs(ur.state().q - arms.UR5E.q_home).max() < 0.011


def test_the_controllers_watchdog_hears_of_us_while_nothing_moves(controller):
    with make_ur(watchdog_hz=20.0) as ur:
        time.sleep(0.3)
        assert controller.in_control
        ur.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=ur.state().q + 0.02))
        assert until(lambda: controller.servo_targets > 3)


def test_an_emergency_stop_is_a_fault_and_ends_all_motion(controller):
    with make_ur() as ur:
        target = ur.state().q + 0.5
        ur.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=target))
        controller.emergency = True
        assert until(lambda: bool(ur.state().faults))
        assert any("emergency_stop" in fault or "driver" in fault for fault in ur.state().faults)
        assert until(lambda: np.abs(controller.dq).max() == 0.0)
        with pytest.raises(DriverError):
            insist(ur, target)


def test_what_is_missing_is_named(controller, monkeypatch):
    with pytest.raises(ConfigError, match="address"), UrArm(UrConfig(), WallClock(0.1), arms.UR5E):
        pass
    with (
        pytest.raises(DriverError, match="remote control"),
        UrArm(UrConfig(host="192.0.2.250"), WallClock(0.1), arms.UR5E),
    ):
        pass
    monkeypatch.setitem(sys.modules, "rtde_control", None)
    with pytest.raises(ConfigError, match="ur-rtde"), make_ur():
        pass


def test_only_one_may_command_a_ur(controller):
    with make_ur():
        with pytest.raises(DriverError, match="already in use"), make_ur():
            pass
        assert (controller.listeners, controller.in_control) == (1, True), "who failed left, and took nobody else along"


def test_a_ur_that_cannot_be_read_is_let_go_of(controller):
    controller.silent = True
    with pytest.raises(RuntimeError, match="actual_q"), make_ur():
        pass
    assert (controller.listeners, controller.in_control) == (0, False)


def test_a_reset_that_fails_does_not_push_on(controller):
    arm = UrArm(UrConfig(host=HOST, rate_hz=125.0), WallClock(0.1), replace(arms.UR5E, reset_tolerance=0.01))
    with arm:
        controller.blocked = True
        q = arm.state().q
        arm.reset(q + 0.008)
        with pytest.raises(DriverError, match=r"0\.020 rad short"):
            arm.reset(q + 0.02)
        assert until(lambda: controller.wanted is None, 0.5)


def test_the_tool_of_a_ur_is_where_its_controller_has_it(controller):
    controller.tool_m = 0.15
    with pytest.raises(DriverError, match=r"\(0.000, 0.000, 0.000\) m.*got \(0.000, 0.000, 0.150\) m.*robot.tool_m"):
        make_ur().__enter__()
    assert not controller.in_control
    with make_ur(tool_m=0.152) as ur:
        state = ur.state()
        np.testing.assert_allclose(Reach(ur.spec).tool(state.q.tolist()), state.pose_tool_in_base.position, atol=2.1e-3)


def test_the_box_holds_the_tool_of_a_ur_in_joint_modes(controller):
    controller.tool_m = 0.15
    low = fake_ur.forward(controller.q, controller.tool_m)[0][2] - 0.1
    limits = SafetyLimits(workspace_low=(-1.0, -1.0, low), workspace_high=(1.0, 1.0, 1.5))
    with SupervisedRobot(make_ur(tool_m=0.15), limits, WallClock(0.1)) as ur:
        for _ in range(20):
            ur.command(RobotCommand(mode=CommandMode.JOINT_VELOCITY, target=0.5 * np.eye(6)[1], valid_for_s=0.3))
            time.sleep(0.1)
        assert low < ur.state().pose_tool_in_base.position[2] < low + 0.06


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
