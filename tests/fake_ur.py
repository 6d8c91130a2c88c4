"""A UR5e behind the Python interface of ur-rtde 1.6: the same names, signatures, units and refusals.

The arm moves in real time.

Kinematics by the vendor's Denavit-Hartenberg parameters; servo targets are followed as far as joint speeds allow,
velocities are reached with the acceleration that was asked for. As on the controller, a stop blocks until at rest, and the
script that carries commands out ends, for good, when its watchdog hears nothing for too long.
"""

import time
from types import ModuleType

import numpy as np

from robolearn.core.geometry import quat_from_rotvec, quat_multiply, quat_rotate, rotation_error, rotvec_from_quat

D = (0.1625, 0.0, 0.0, 0.1333, 0.0997, 0.0996)
A = (0.0, -0.425, -0.3922, 0.0, 0.0, 0.0)
ALPHA = (np.pi / 2, 0.0, 0.0, np.pi / 2, -np.pi / 2, 0.0)
SPEED, TICK_S = np.pi, 0.002
HALT = 20.0
"""rad/s^2 when a script ends."""
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def chain(q):
    """Yield position (3,) and quat_wxyz of the frame in which each joint turns about z, and last of the flange."""
    position, quat = np.zeros(3), IDENTITY
    for angle, d, a, alpha in zip(q, D, A, ALPHA, strict=True):
        yield position, quat
        turn = quat_from_rotvec(np.array([0.0, 0.0, angle]))
        position = position + quat_rotate(quat, np.array([0.0, 0.0, d]))
        quat = quat_multiply(quat, turn)
        position = position + quat_rotate(quat, np.array([a, 0.0, 0.0]))
        quat = quat_multiply(quat, quat_from_rotvec(np.array([alpha, 0.0, 0.0])))
    yield position, quat


def forward(q, tool_m=0.0):
    """Return position (3,) and quat_wxyz of the tool, which is so far ahead of the flange."""
    *_, (position, quat) = chain(q)
    return position + quat_rotate(quat, np.array([0.0, 0.0, tool_m])), quat


def jacobian(q, tool_m=0.0):
    """Return (6, 6): tool twist in the base by joint speed."""
    *joints, (flange, quat) = chain(q)
    tool = flange + quat_rotate(quat, np.array([0.0, 0.0, tool_m]))
    axes = [quat_rotate(turned, np.array([0.0, 0.0, 1.0])) for _, turned in joints]
    levers = [tool - position for position, _ in joints]
    return np.concatenate([np.cross(axes, levers), axes], axis=1).T


class Controller:
    """What the two interfaces of one address share."""

    def __init__(self):
        self.q = np.array([0.0, -1.57, 1.57, -1.57, -1.57, 0.0])
        self.dq = np.zeros(6)
        self.wanted = None
        self.kind, self.thread, self.acceleration, self.lag_s = "stopj", "", HALT, 0.05
        self.emergency = self.protective = False
        self.blocked = self.silent = self.stuck = False
        self.in_control, self.script, self.listeners = False, False, 0
        self.tool_m = 0.0
        self.watchdog_s, self.kicked = None, 0.0
        self.at = time.monotonic()
        self.servo_targets, self.told = 0, []

    def advance(self):
        now = time.monotonic()
        steps = min(int((now - self.at) / TICK_S), 500)
        if now - self.at > 500 * TICK_S:
            self.at = now - 500 * TICK_S
        for _ in range(steps):
            self.at += TICK_S
            if self.emergency or (self.watchdog_s is not None and self.at - self.kicked > self.watchdog_s):
                self.script = False
            if self.protective or not self.script:
                self.stop("stopj", HALT)
            self.dq = np.zeros(6) if self.blocked else np.clip(self.speed(), -SPEED, SPEED)
            self.q = self.q + TICK_S * self.dq

    def stop(self, kind, acceleration):
        self.kind, self.thread, self.wanted, self.acceleration = kind, "", None, acceleration

    def speed(self):
        if self.wanted is None and not self.dq.any():
            return self.dq
        if self.kind == "servoJ":
            return (self.wanted - self.q) / self.lag_s
        if self.kind in ("speedJ", "stopj"):
            return self.ramped(self.dq, 1)
        there = jacobian(self.q, self.tool_m)
        if self.kind == "servoL":
            position, quat = forward(self.q, self.tool_m)
            gap = np.concatenate([self.wanted[:3] - position, rotation_error(quat_from_rotvec(self.wanted[3:]), quat)])
            return np.linalg.lstsq(there, gap / self.lag_s, rcond=1e-3)[0]
        return np.linalg.lstsq(there, self.ramped(there @ self.dq, 3), rcond=1e-3)[0]

    def speed_of(self, mode):
        """Return of joints, or of the tool."""
        return jacobian(self.q, self.tool_m) @ self.dq if mode == "twist" else self.dq

    def ramped(self, velocity, size):
        """Return the next velocity; all parts of `size` numbers take as long as the one that has the most to do."""
        change = (0.0 if self.wanted is None else self.wanted) - velocity
        most = np.linalg.norm(change.reshape(-1, size), axis=1).max()
        return velocity + min(self.acceleration * TICK_S / max(most, 1e-12), 1.0) * change


CONTROLLERS: dict[str, Controller] = {}


def controller(host):
    """Return the arm at an address; ur-rtde raises RuntimeError where there is none."""
    if host not in CONTROLLERS:
        raise RuntimeError(f"Timeout connecting to UR dashboard server at {host}")
    return CONTROLLERS[host]


class RTDEControlInterface:
    """Every call is a message to the script on the controller, and so heard by its watchdog; no script, no motion."""

    def __init__(self, hostname, frequency=-1.0):
        self._arm = controller(hostname)
        if self._arm.in_control:
            raise RuntimeError("One of the RTDE input registers are already in use!")
        self._arm.in_control = self._arm.script = True

    def _heard(self):
        self._arm.advance()
        self._arm.kicked = time.monotonic()
        return self._arm.script

    def getTCPOffset(self):
        return [0.0, 0.0, self._arm.tool_m, 0.0, 0.0, 0.0]

    def setWatchdog(self, min_frequency=10.0):
        heard, self._arm.watchdog_s = self._heard(), 1.0 / min_frequency
        return heard

    def kickWatchdog(self):
        return self._heard()

    def isProgramRunning(self):
        self._arm.advance()
        return self._arm.script

    def _take(self, kind, target, acceleration=0.0):
        if len(target) != 6:
            raise ValueError("vector of 6 expected")
        arm, thread = self._arm, kind[:5]
        if not self._heard() or arm.protective:
            return False
        if arm.thread not in ("", thread):  # "Another thread is already controlling the robot"
            arm.script = False
        arm.kind, arm.thread, arm.wanted, arm.acceleration = kind, thread, np.array(target, np.float64), acceleration
        arm.servo_targets += 1
        arm.told.append((arm.wanted, arm.q))
        return True

    def servoJ(self, q, speed, acceleration, time, lookahead_time, gain):
        """Follow; speed and acceleration are not used, as the vendor's."""
        if not (0.03 <= lookahead_time <= 0.2 and 100 <= gain <= 2000):
            raise ValueError("lookahead_time or gain out of range")
        self._arm.lag_s = lookahead_time
        return self._take("servoJ", q)

    def servoL(self, pose, speed, acceleration, time, lookahead_time, gain):
        if not (0.03 <= lookahead_time <= 0.2 and 100 <= gain <= 2000):
            raise ValueError("lookahead_time or gain out of range")
        self._arm.lag_s = lookahead_time
        return self._take("servoL", pose)

    def speedJ(self, qd, acceleration=0.5, time=0.0):
        if not 0.0 <= acceleration <= 40.0:
            raise ValueError("The value is not within [0;40]")
        return self._take("speedJ", qd, acceleration)

    def speedL(self, xd, acceleration=0.25, time=0.0):
        if not 0.0 <= acceleration <= 150.0:
            raise ValueError("The value is not within [0;150]")
        return self._take("speedL", xd, acceleration)

    def servoStop(self, a=10.0):
        return self._stop("servo", "stopl", a)

    def speedStop(self, a=10.0):
        return self._stop("speed", "stopl" if self._arm.kind == "speedL" else "stopj", a)

    def _stop(self, thread, kind, acceleration):
        """Block until at rest; meanwhile nothing is sent."""
        arm = self._arm
        if not self._heard() or arm.protective:
            return False
        if arm.thread not in ("", thread):
            arm.script = False
        arm.stop(kind, acceleration)
        while arm.script and not arm.protective and arm.dq.any():
            time.sleep(TICK_S)
            arm.advance()
        return arm.script and not arm.protective

    def stopScript(self):
        self._arm.advance()
        self._arm.script = False

    def disconnect(self):
        self._arm.in_control, self._arm.watchdog_s = False, None

    def isConnected(self):
        return self._arm.in_control


class RTDEReceiveInterface:
    """Shows the last packet; a real one is received by a thread of its own, which may end."""

    def __init__(self, hostname, frequency=-1.0):
        self._arm = controller(hostname)
        self._connected, self._frequency = True, frequency if frequency > 0.0 else 500.0
        self._arm.listeners += 1
        self._count, self._q, self._dq = -1, self._arm.q, self._arm.dq

    def _receive(self):
        if not self._arm.stuck:
            self._arm.advance()
            if (count := int(self._arm.at * self._frequency)) != self._count:
                self._count, self._q, self._dq = count, self._arm.q, self._arm.dq

    def getTimestamp(self):
        self._receive()
        return self._count / self._frequency

    def getActualQ(self):
        if self._arm.silent:
            raise RuntimeError("unable to get state data for specified key: actual_q")
        self._receive()
        return self._q.tolist()

    def getActualQd(self):
        self._receive()
        return self._dq.tolist()

    def getActualTCPPose(self):
        self._receive()
        position, quat = forward(self._q, self._arm.tool_m)
        return [*position.tolist(), *rotvec_from_quat(quat).tolist()]

    def getActualTCPSpeed(self):
        self._receive()
        return (jacobian(self._q, self._arm.tool_m) @ self._dq).tolist()

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
