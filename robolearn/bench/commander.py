"""A client that commands an arm wildly: in one of its modes, far beyond all limits, now and then in another direction.

Run by itself (`python -m robolearn.bench.commander '{"commands": ..., "states": ...}'`) it does that until it is interrupted, or does something
worse; see `Orders`.
"""

import json
import sys
import time
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError, StaleFrameError
from robolearn.core.geometry import Vector, quat_from_rotvec, quat_multiply
from robolearn.core.robot import CommandMode, RobotCommand, RobotSpec
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig, RemoteRobot
from robolearn.hardware.cameras.client import RemoteCamera, RemoteCameraConfig
from robolearn.run.stop import StopSignals
from robolearn.wire.codec import MAX_MESSAGE
from robolearn.wire.messages import ArmState, Command, Stop

ARM = "arm"
CAMERA, CAMERA_SIZE = "front", (48, 64)
STALE_S = 0.2
PERIOD_S = 0.1
TURN_AFTER = 5
"""Commands in one direction."""
REACH_M, TURN, LINEAR, ANGULAR = 0.3, 0.5, 2.0, 4.0
"""Of targets: m and rad from where the arm is, m/s, rad/s."""


class Commander:
    """Draws commands.

    Args:
        spec: Of the arm.
        rng: Draws the mode, how long commands are valid, and where to.
    """

    def __init__(self, spec: RobotSpec, rng: np.random.Generator) -> None:
        self._spec, self._rng = spec, rng
        self.mode = spec.modes[int(rng.integers(len(spec.modes)))]
        self.valid_for_s = float(rng.uniform(0.12, 0.5))
        self._count, self._way = 0, np.zeros(0)

    def draw(self, state: ArmState) -> Vector:
        """Return the target of the next command, for an arm in this state."""
        if self._count % TURN_AFTER == 0:
            self._way = self._rng.uniform(-1.0, 1.0, len(state.q) if "joint" in self.mode else 6)
        self._count += 1
        way, top = self._way, np.array(self._spec.dq_max)
        match self.mode:
            case CommandMode.POSE:
                pose = np.array(state.pose)
                turned = quat_multiply(quat_from_rotvec(TURN * way[3:]), pose[3:])
                return np.concatenate([pose[:3] + REACH_M * way[:3], turned / np.linalg.norm(turned)])
            case CommandMode.TWIST:
                return np.concatenate([LINEAR * way[:3], ANGULAR * way[3:]])
            case CommandMode.JOINT_POSITION:
                return np.array(state.q) + TURN * way
            case CommandMode.JOINT_VELOCITY:
                return 2.0 * top * way


@dataclass(kw_only=True, slots=True)
class Orders:
    """What a commander does."""

    commands: str
    states: str
    seed: int = 0
    fault: str = ""
    """`nan`, `infinite`, `shape`, `oversized`, `late`, `foreign`, `duplicated`, `reordered` or `hung`; empty to do no worse than command."""
    after_s: float = 1.0
    camera: str = ""
    """Address of a camera without which it does not go on; empty for none."""


class Connection:
    """A commander with a connection of its own.

    Args:
        orders: What to do.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._client = BridgeClient(ClientConfig(commands=orders.commands, states=orders.states, name="commander"))
        self._robot = RemoteRobot(self._client, ARM).__enter__()
        self._camera = None
        if orders.camera:
            cfg = RemoteCameraConfig(name=CAMERA, endpoint=orders.camera, height=CAMERA_SIZE[0], width=CAMERA_SIZE[1])
            self._camera = RemoteCamera(cfg).__enter__()
        self._commander = Commander(self._robot.spec, np.random.default_rng([orders.seed, 1]))
        self._seq = 0
        self.named: set[str] = set()
        """What it has learned of, by its states and its errors."""

    @property
    def mode(self) -> CommandMode:
        """Return how it commands."""
        return self._commander.mode

    def begin(self) -> None:
        """Clear faults, and go home."""
        self._robot.reset_faults()
        self._robot.reset()

    def go_on(self) -> None:
        """Command as ever; stop where the camera shows nothing new."""
        state = self._client.states()
        self.named |= set(self._robot.state().faults)
        try:
            if self._camera is not None:
                self._camera.latest(STALE_S)
        except StaleFrameError:
            self.named.add("stale")
            self._robot.stop()
            return
        if state is not None:
            self._client.send(self._command(self._commander.draw(state.arms[ARM])))

    def misbehave(self) -> None:
        """Do what was ordered."""
        states = self._client.wait_for_states()
        target = self._commander.draw(states.arms[ARM])
        now_ns = self._client.server_ns()
        match self._orders.fault:
            case "nan":
                self._client.send(self._command(np.append(target[1:], np.nan)))
            case "infinite":
                self._client.send(self._command(np.append(target[1:], np.inf)))
            case "shape":
                self._client.send(self._command(np.append(target, 0.0)))
            case "oversized":
                self._client.send(Stop(id=0, arm="a" * (2 * MAX_MESSAGE)))
            case "late":
                self._client.send(self._command(target, sent_ns=now_ns - 10**9))
            case "foreign":
                self._client.send(self._command(target, session=self._client.welcome.session ^ 1))
            case "duplicated":
                again = self._command(target)
                self._client.send(again)
                self._client.send(again)
            case "reordered":
                first, second = self._command(target), self._command(target)
                self._client.send(second)
                self._client.send(first)
            case _:
                raise ConfigError("fault", expected="a known one", got=self._orders.fault)

    def close(self) -> None:
        """Give the arm back, and hang up."""
        self._robot.__exit__(None, None, None)
        if self._camera is not None:
            self._camera.__exit__(None, None, None)
        self._client.close()

    def _command(self, target: Vector, **changes: int) -> Command:
        self._seq += 1
        command = RobotCommand(mode=self.mode, target=target, valid_for_s=self._commander.valid_for_s, seq=self._seq)
        return replace(self._robot.message(command), **changes)


def main() -> None:
    """Do as the orders say, which are the argument, as JSON; the first line is how it commands, the last one what it has learned of."""
    orders = Orders(**json.loads(sys.argv[1]))
    connection, pace = Connection(orders), WallClock(PERIOD_S)
    connection.begin()
    _say(connection.mode)
    begun, done = time.monotonic(), not orders.fault
    with StopSignals() as signals:
        while signals.received is None:
            if not done and time.monotonic() - begun > orders.after_s:
                done = True
                if orders.fault == "hung":
                    time.sleep(60.0)
                connection.misbehave()
            connection.go_on()
            pace.wait()
    connection.close()
    _say(json.dumps(sorted(connection.named)))


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
