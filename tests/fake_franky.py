"""A Panda behind the Python interface of franky-control 2.0: the same names, units and errors.

The arm moves in real time. Trackers pull as springs and dampers do on unit inertias, critically damped around the speed that is wanted.
"""

import builtins
import time
from enum import Enum
from types import ModuleType, SimpleNamespace

import numpy as np

from robolearn.core.geometry import Pose, rotation_error
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.sim.kinematics import Kinematics

TICK_S, SPEED_M_S = 0.002, 0.1
KINEMATICS = Kinematics(PANDA)
ARMS: dict[str, "Arm"] = {}


class Exception(builtins.Exception):
    pass


class NetworkException(Exception):
    pass


class ControlException(Exception):
    pass


class RealtimeConfig(Enum):
    Enforce, Ignore = 0, 1


class Frame(Enum):
    Flange, EndEffector = 0, 1


class Affine:
    def __init__(self, translation, quaternion):
        self.translation, self.quaternion = np.array(translation), np.array(quaternion)


class Twist:
    def __init__(self, linear_velocity, angular_velocity):
        self.linear, self.angular = np.array(linear_velocity), np.array(angular_velocity)


class Arm:
    """What is at an address."""

    def __init__(self):
        self.q, self.dq = np.array(PANDA.spec.q_home), np.zeros(7)
        self.tracker = None
        self.reflex = self.blocked = False
        self.slow_s = 0.0
        self.width = self.width_wanted = 0.08
        self.unplugged_hand = False
        self.at = time.monotonic()

    def advance(self):
        now = time.monotonic()
        steps = min(int((now - self.at) / TICK_S), 500)
        if now - self.at > 500 * TICK_S:
            self.at = now - 500 * TICK_S
        for _ in range(steps):
            self.at += TICK_S
            braking = self.tracker is None or self.reflex
            pull = -20.0 * self.dq if braking else self.tracker.pull(self.q, self.dq)
            self.dq = np.zeros(7) if self.blocked else self.dq + TICK_S * pull
            self.q = self.q + TICK_S * self.dq
            step = TICK_S * SPEED_M_S
            self.width += float(np.clip(self.width_wanted - self.width, -step, step))


def arm(host):
    if host not in ARMS:
        raise NetworkException(f"libfranka: Connection to FCI refused: {host}")
    return ARMS[host]


class Robot:
    def __init__(self, fci_hostname, realtime_config=RealtimeConfig.Enforce):
        self.arm, self.model = arm(fci_hostname), Model()
        self.contact = None

    def recover_from_errors(self):
        self.arm.reflex = False

    def set_collision_behavior(self, torque_threshold, force_threshold):
        self.contact = torque_threshold, force_threshold

    @property
    def has_errors(self):
        return self.arm.reflex

    @property
    def is_in_control(self):
        return self.arm.tracker is not None and not self.arm.reflex

    @property
    def state(self):
        time.sleep(self.arm.slow_s)
        self.arm.advance()
        pose = KINEMATICS.pose(self.arm.q)
        w, x, y, z = pose.quat_wxyz
        return SimpleNamespace(
            q=self.arm.q.copy(),
            dq=self.arm.dq.copy(),
            O_T_EE=Affine(pose.position, [x, y, z, w]),
            O_dP_EE_est=None,  # there only with a state estimator
            O_F_ext_hat_K=np.zeros(6),
        )


class Model:
    def zero_jacobian(self, frame, state):
        assert frame is Frame.EndEffector
        return KINEMATICS.jacobian(state.q)


class Tracker:
    def __init__(self, robot):
        self.robot, self.fastest = robot, 0.0
        robot.arm.advance()
        robot.arm.tracker = self

    @property
    def is_running(self):
        self.robot.arm.advance()
        return self.robot.arm.tracker is self and not self.robot.arm.reflex

    def stop(self):
        """Wait until it is at rest, as the real one does; raise what has ended it."""
        self.robot.arm.tracker = None
        if self.robot.has_errors:
            raise ControlException("libfranka: Move command aborted: motion aborted by reflex! [cartesian_reflex]")
        while np.abs(self.robot.state.dq).max() > 1e-3:
            time.sleep(1e-3)


class JointImpedanceTracker(Tracker):
    def __init__(self, robot, *, stiffness):
        self.stiffness = np.asarray(stiffness, float)
        assert self.stiffness.shape == (7,)
        self.target, self.speed = robot.state.q, np.zeros(7)
        super().__init__(robot)

    def set_target(self, q, dq=None, tau_ff=None):
        self.robot.arm.advance()
        self.target, self.speed = np.array(q, float), np.zeros(7) if dq is None else np.array(dq, float)
        self.fastest = max(self.fastest, np.abs(self.speed).max())

    def pull(self, q, dq):
        return self.stiffness * (self.target - q) + 2.0 * np.sqrt(self.stiffness) * (self.speed - dq)


class CartesianImpedanceTracker(Tracker):
    def __init__(self, robot, *, translational_stiffness, rotational_stiffness):
        self.stiffness = np.repeat([translational_stiffness, rotational_stiffness], 3)
        self.target, self.twist = KINEMATICS.pose(robot.state.q), np.zeros(6)
        super().__init__(robot)

    def set_target(self, pose, twist=None, acceleration=None):
        self.robot.arm.advance()
        x, y, z, w = pose.quaternion
        self.target = Pose(pose.translation, np.array([w, x, y, z]))
        self.twist = np.zeros(6) if twist is None else np.concatenate([twist.linear, twist.angular])

    def pull(self, q, dq):
        here, jacobian = KINEMATICS.pose(q), KINEMATICS.jacobian(q)
        turn = rotation_error(self.target.quat_wxyz, here.quat_wxyz)
        gap = np.concatenate([self.target.position - here.position, turn])
        force = self.stiffness * gap + 2.0 * np.sqrt(self.stiffness) * (self.twist - jacobian @ dq)
        return np.linalg.lstsq(jacobian, force, rcond=1e-3)[0]


class Future:
    def __init__(self, arm):
        self.arm = arm

    def wait(self, timeout=None):
        self.arm.advance()
        return abs(self.arm.width - self.arm.width_wanted) < 1e-6


class Gripper:
    def __init__(self, fci_hostname):
        self.arm = arm(fci_hostname)

    @property
    def width(self):
        if self.arm.unplugged_hand:
            raise NetworkException("libfranka gripper: UDP receive: Timeout")
        self.arm.advance()
        return self.arm.width

    def move_async(self, width, speed):
        self.arm.width_wanted = width
        return Future(self.arm)

    def grasp_async(self, width, speed, force, epsilon_inner=0.005, epsilon_outer=0.005):
        return self.move_async(width, speed)


def module() -> ModuleType:
    """Return what is to be put into sys.modules."""
    franky = ModuleType("franky")
    for thing in (Exception, NetworkException, ControlException, RealtimeConfig, Frame, Affine, Twist, Robot, Gripper):
        setattr(franky, thing.__name__, thing)
    franky.JointImpedanceTracker, franky.CartesianImpedanceTracker = JointImpedanceTracker, CartesianImpedanceTracker
    return franky
