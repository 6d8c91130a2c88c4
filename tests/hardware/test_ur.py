"""The driver of Universal Robots arms beyond the contract, against a fake of ur-rtde."""

import sys
import time

import fake_ur
import numpy as np
import pytest
from msgspec.structs import replace

from robolearn.assembly import robot
from robolearn.core import arms
from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, DriverError
from robolearn.core.robot import CommandMode, RobotCommand
from robolearn.hardware.arms.ur import UrArm, UrConfig
from robolearn.hardware.config import RobotServerConfig
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
        ur.command(RobotCommand(mode=CommandMode.TWIST, target=np.array([0.0, 0.05, 0, 0, 0, 0]), valid_for_s=0.5))
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
    with make_ur(watchdog_hz=5.0) as ur:
        time.sleep(0.6)
        assert controller.script
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
    cfg = UrConfig(host=HOST, rate_hz=125.0, watchdog_hz=2.0)
    arm = UrArm(cfg, WallClock(0.1), replace(arms.UR5E, reset_tolerance=0.01))
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


def bring_to_speed(ur, controller, mode, target):
    ur.command(RobotCommand(mode=mode, target=target, valid_for_s=3.0))
    assert until(lambda: np.abs(controller.speed_of(mode) - target).max() < 0.02)


def stopped_from(ur, controller, target):
    """Return where the joints were when the controller was first told to stop, and where they came to rest."""
    ur.stop()
    assert until(lambda: controller.wanted is None and not controller.dq.any())
    began = next(q for wanted, q in controller.told[::-1] if np.array_equal(wanted, target))
    return began, controller.q


def test_joints_stop_within_the_way_that_the_supervisor_counts_on(controller):
    dq = np.array([2.5, 0.6, 0.0, -0.6, 0.0, 1.2])
    with make_ur() as ur:
        bring_to_speed(ur, controller, CommandMode.JOINT_VELOCITY, dq)
        began, ended = stopped_from(ur, controller, dq)
    way, braking = np.abs(ended - began), dq**2 / (2.0 * np.array(ur.spec.ddq_max))
    late_s = (way[0] - braking[0]) / dq[0]
    assert late_s < 0.1, "a period of a client, which a supervisor allows for"
    assert (way <= late_s * np.abs(dq) + braking + 0.015).all(), "the fastest joint held the others up"


def test_a_tool_stops_within_the_way_that_the_supervisor_counts_on(controller):
    twist, limits = np.array([0.0, 0.0, -0.6, 0.0, 0.0, 1.5]), UrConfig().bound(SafetyLimits())
    with make_ur() as ur:
        bring_to_speed(ur, controller, CommandMode.TWIST, twist)
        began, ended = [fake_ur.forward(q)[0] for q in stopped_from(ur, controller, twist)]
    assert np.linalg.norm(ended - began) < 0.1 * 0.6 + 0.6**2 / (2.0 * limits.acceleration)


def test_an_arm_that_follows_places_stops_at_the_last_one(controller):
    with make_ur() as ur:
        first = ur.state().q[0]
        for _ in range(8):
            goal = ur.state().q + 0.25 * np.eye(6)[0]
            ur.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=goal))
            time.sleep(0.1)
        assert controller.dq[0] > 0.5
        ur.stop()
        assert until(lambda: controller.wanted is None)
        assert first + 0.5 < controller.q[0] < goal[0] + 1e-6
        assert controller.script


def test_the_controllers_own_stop_is_not_heard_by_its_watchdog(controller):
    control = fake_ur.RTDEControlInterface(HOST)
    assert control.setWatchdog(10.0)
    for _ in range(30):
        assert control.speedJ([2.5, 0.0, 0.0, 0.0, 0.0, 0.0], 15.0, 0.008)
        time.sleep(0.01)
    assert controller.dq[0] == 2.5
    assert not control.speedStop(5.0), "0.5 s of silence"
    assert not control.kickWatchdog()
    assert not control.speedJ([0.0] * 6, 15.0, 0.008)
    assert not control.isProgramRunning()


@pytest.mark.parametrize("mode", [CommandMode.JOINT_VELOCITY, CommandMode.TWIST])
def test_a_long_stop_is_heard_by_the_controllers_watchdog(controller, mode):
    target = np.array([1.5, 0, 0, 0, 0, 0]) if mode is CommandMode.JOINT_VELOCITY else np.array([0, 0, -0.3, 0, 0, 0])
    with make_ur(joint_acceleration=1.5, tool_acceleration=0.3) as ur:
        bring_to_speed(ur, controller, mode, target)
        ur.stop()
        time.sleep(0.6)
        assert controller.dq.any(), "longer than the watchdog's period"
        assert until(lambda: not controller.dq.any())
        assert controller.script
        assert ur.state().faults == ()
        ur.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=ur.state().q + 0.02))
        assert until(lambda: controller.kind == "servoJ")


def test_a_control_script_that_has_ended_is_a_fault(controller):
    with make_ur() as ur:
        controller.script = False
        assert until(lambda: ur.state().faults == ("control_script",))
        with pytest.raises(DriverError, match="see to it, then restart"):
            insist(ur, ur.state().q)
    with make_ur() as ur:
        assert ur.state().faults == ()


def test_what_is_received_no_more_grows_old(controller):
    with make_ur() as ur:
        before = ur.state().stamp_ns
        assert until(lambda: ur.state().stamp_ns > before)
        controller.stuck = True
        time.sleep(0.1)
        state = ur.state()
        assert not until(lambda: ur.state().stamp_ns > state.stamp_ns, 0.2)
        assert state.faults == (), "it may take a while"
        assert until(lambda: ur.state().faults == ("stale",), 1.0)
        with pytest.raises(DriverError, match="got stale"):
            ur.command(RobotCommand(mode=CommandMode.JOINT_POSITION, target=state.q))
        controller.stuck = False
        assert until(lambda: ur.state().faults == ())


def test_a_supervisor_counts_on_no_more_than_a_ur_is_asked_for(monkeypatch):
    seen = []
    monkeypatch.setattr(robot, "RobotServer", lambda *_args, **_more: None)
    monkeypatch.setattr(robot, "SupervisedRobot", lambda arm, limits, _clock: seen.append((arm.spec, limits)))
    cfg = UrConfig(host=HOST, joint_acceleration=5.0, tool_acceleration=4.0)
    robot.make_robot_server(RobotServerConfig(robot=cfg, safety=SafetyLimits(joint_acceleration_fraction=1.5)))
    ((spec, limits),) = seen
    assert spec.ddq_max == (5.0,) * 6
    assert (limits.acceleration, limits.angular_acceleration, limits.joint_acceleration_fraction) == (4.0, 4.0, 1.0)
    low = SafetyLimits(acceleration=1.0, angular_acceleration=2.0, joint_acceleration_fraction=0.5)
    assert cfg.bound(low) == low


@pytest.mark.parametrize("key", ["joint_acceleration", "tool_acceleration", "watchdog_hz"])
@pytest.mark.parametrize("value", [0.0, 1000.0])
def test_what_a_controller_would_not_take_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"robot.{key}"):
        UrConfig(**{key: value})
