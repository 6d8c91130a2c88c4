"""A UR5e behind the Python interface of ur-rtde 1.6: the same names, signatures, units and refusals.

The arm moves in real time.

Kinematics by the vendor's Denavit-Hartenberg parameters; servo targets are followed as far as joint speeds allow.
"""

import time
from types import ModuleType

import numpy as np

from robolearn.core.geometry import quat_from_rotvec, quat_multiply, quat_rotate, rotation_error, rotvec_from_quat

D = (0.1625, 0.0, 0.0, 0.1333, 0.0997, 0.0996)
A = (0.0, -0.425, -0.3922, 0.0, 0.0, 0.0)
ALPHA = (np.pi / 2, 0.0, 0.0, np.pi / 2, -np.pi / 2, 0.0)
SPEED, TICK_S = np.pi, 0.002
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def forward(q, tool_m=0.0):
    """Return position (3,) and quat_wxyz of the tool, which is so far ahead of the flange."""
    position, quat = np.zeros(3), IDENTITY
    for angle, d, a, alpha in zip(q, D, A, ALPHA, strict=True):
        turn = quat_from_rotvec(np.array([0.0, 0.0, angle]))
        position = position + quat_rotate(quat, np.array([0.0, 0.0, d]))
        quat = quat_multiply(quat, turn)
        position = position + quat_rotate(quat, np.array([a, 0.0, 0.0]))
        quat = quat_multiply(quat, quat_from_rotvec(np.array([alpha, 0.0, 0.0])))
    return position + quat_rotate(quat, np.array([0.0, 0.0, tool_m])), quat


def jacobian(q, tool_m=0.0, step=1e-6):
    """Return (6, 6): tool twist in the base by joint speed."""
    position, quat = forward(q, tool_m)
    columns = []
    for joint in range(6):
        moved = q.copy()
        moved[joint] += step
        there, turned = forward(moved, tool_m)
        columns.append(np.concatenate([there - position, rotation_error(turned, quat)]) / step)
    return np.stack(columns, axis=1)


class Controller:
    """What the two interfaces of one address share."""

    def __init__(self):
        self.q = np.array([0.0, -1.57, 1.57, -1.57, -1.57, 0.0])
        self.dq = np.zeros(6)
        self.wanted = None
        self.until = 0.0
        self.kind = ""
        self.emergency = self.protective = False
        self.blocked = self.silent = False
        self.in_control, self.listeners = False, 0
        self.tool_m = 0.0
        self.watchdog_s, self.kicked = None, 0.0
        self.at = time.monotonic()
        self.servo_targets = 0

    def advance(self):
        now = time.monotonic()
        steps = min(int((now - self.at) / TICK_S), 500)
        if now - self.at > 500 * TICK_S:
            self.at = now - 500 * TICK_S
        for _ in range(steps):
            self.at += TICK_S
            if self.watchdog_s is not None and self.at - self.kicked > self.watchdog_s:
                self.in_control, self.wanted = False, None
            if self.emergency or self.protective:
                self.wanted = None
            self.dq = np.zeros(6) if self.blocked else np.clip(self.speed(), -SPEED, SPEED)
            self.q = self.q + TICK_S * self.dq

    def speed(self):
        if self.wanted is None:
            return np.zeros(6)
        if self.kind == "servoJ":
            return (self.wanted - self.q) / 0.02
        if self.kind == "servoL":
            position, quat = forward(self.q, self.tool_m)
            gap = np.concatenate([self.wanted[:3] - position, rotation_error(quat_from_rotvec(self.wanted[3:]), quat)])
            return np.linalg.lstsq(jacobian(self.q, self.tool_m), gap / 0.02, rcond=1e-3)[0]
        if self.kind == "speedL":
            return np.linalg.lstsq(jacobian(self.q, self.tool_m), self.wanted, rcond=1e-3)[0]
        return self.wanted


CONTROLLERS: dict[str, Controller] = {}


def controller(host):
    """Return the arm at an address; ur-rtde raises RuntimeError where there is none."""
    if host not in CONTROLLERS:
        raise RuntimeError(f"Timeout connecting to UR dashboard server at {host}")
    return CONTROLLERS[host]


class RTDEControlInterface:
    def __init__(self, hostname, frequency=-1.0):
        self._arm = controller(hostname)
        if self._arm.in_control:
            raise RuntimeError("One of the RTDE input registers are already in use!")
        self._arm.in_control, self._arm.kicked = True, time.monotonic()

    def getTCPOffset(self):
        return [0.0, 0.0, self._arm.tool_m, 0.0, 0.0, 0.0]

    def setWatchdog(self, min_frequency=10.0):
        self._arm.watchdog_s, self._arm.kicked = 1.0 / min_frequency, time.monotonic()
        return True

    def kickWatchdog(self):
        self._arm.kicked = time.monotonic()
        return True

    def _take(self, kind, target):
        self._arm.advance()
        if len(target) != 6:
            raise ValueError("vector of 6 expected")
        if not self._arm.in_control or self._arm.emergency or self._arm.protective:
            return False
        self._arm.kind, self._arm.wanted = kind, np.array(target, np.float64)
        self._arm.servo_targets += 1
        return True

    def servoJ(self, q, speed, acceleration, time, lookahead_time, gain):
        if not (0.03 <= lookahead_time <= 0.2 and 100 <= gain <= 2000):
            raise ValueError("lookahead_time or gain out of range")
        return self._take("servoJ", q)

    def servoL(self, pose, speed, acceleration, time, lookahead_time, gain):
        if not (0.03 <= lookahead_time <= 0.2 and 100 <= gain <= 2000):
            raise ValueError("lookahead_time or gain out of range")
        return self._take("servoL", pose)

    def speedJ(self, qd, acceleration=0.5, time=0.0):
        return self._take("speedJ", qd)

    def speedL(self, xd, acceleration=0.25, time=0.0):
        return self._take("speedL", xd)

    def servoStop(self, a=10.0):
        self._arm.advance()
        self._arm.wanted = None
        return True

    speedStop = servoStop

    def stopScript(self):
        self.servoStop()

    def disconnect(self):
        self._arm.in_control, self._arm.watchdog_s = False, None

    def isConnected(self):
        return self._arm.in_control


class RTDEReceiveInterface:
    def __init__(self, hostname, frequency=-1.0):
        self._arm = controller(hostname)
        self._connected = True
        self._arm.listeners += 1

    def getActualQ(self):
        if self._arm.silent:
            raise RuntimeError("unable to get state data for specified key: actual_q")
        self._arm.advance()
        return self._arm.q.tolist()

    def getActualQd(self):
        return self._arm.dq.tolist()

    def getActualTCPPose(self):
        self._arm.advance()
        position, quat = forward(self._arm.q, self._arm.tool_m)
        return [*position.tolist(), *rotvec_from_quat(quat).tolist()]

    def getActualTCPSpeed(self):
        return (jacobian(self._arm.q, self._arm.tool_m) @ self._arm.dq).tolist()

    def getActualTCPForce(self):
        return [0.0] * 6

    def isEmergencyStopped(self):
        return self._arm.emergency

    def isProtectiveStopped(self):
        return self._arm.protective

    def isConnected(self):
        return self._connected

    def disconnect(self):
        self._arm.listeners -= self._connected
        self._connected = False


def modules() -> dict[str, ModuleType]:
    """Return the two modules of ur-rtde, to be put into sys.modules."""
    control, receive = ModuleType("rtde_control"), ModuleType("rtde_receive")
    control.RTDEControlInterface = RTDEControlInterface
    receive.RTDEReceiveInterface = RTDEReceiveInterface
    return {"rtde_control": control, "rtde_receive": receive}
