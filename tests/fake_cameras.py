"""A camera that does what a test tells it, its server, and a robot server that knows of it; both in threads."""

import threading
import time

import numpy as np
from fakes import FakeArm

from robolearn.core.clock import WallClock
from robolearn.core.errors import DriverError
from robolearn.core.robot import CameraSpec
from robolearn.hardware.bridge.server import CameraAddressConfig, RobotServer, ServerConfig
from robolearn.hardware.cameras.client import RemoteCameraConfig
from robolearn.hardware.cameras.server import CameraServer, CameraServerConfig
from robolearn.safety import SafetyLimits, SupervisedRobot


class Scripted:
    """A camera that does what a test tells it."""

    def __init__(self, rate_hz=100.0, size=(24, 32), ahead_s=0.0) -> None:
        self.spec = CameraSpec(name="front", height=size[0], width=size[1], rate_hz=rate_hz)
        self.frozen, self.gone, self.count, self.opened, self.ahead_s = False, False, 0, 0, ahead_s

    def open(self):
        self.opened += 1

    def read(self):
        time.sleep(1.0 / self.spec.rate_hz)
        if self.gone:
            raise DriverError("camera 'front'", expected="a picture", got="none")
        self.count += not self.frozen
        picture = np.full((self.spec.height, self.spec.width, 3), self.count % 256, np.uint8)
        return picture, time.monotonic_ns() + round(self.ahead_s * 1e9)

    def close(self):
        pass


class Served:
    """A camera server in a thread, and a client of it."""

    def __init__(self, source, **fields) -> None:
        self.source, self.stopping, self.ready = source, threading.Event(), threading.Event()
        self.cfg = CameraServerConfig(endpoint="tcp://127.0.0.1:*", retry_s=0.05, **fields)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.ready.wait(5.0)
        height, width = self.cfg.height or source.spec.height, self.cfg.width or source.spec.width
        self.client_cfg = RemoteCameraConfig(name="front", endpoint=self.endpoint, height=height, width=width)

    def _run(self):
        with CameraServer(self.source, self.cfg) as server:
            self.endpoint = server.endpoint
            self.ready.set()
            server.run(self.stopping.is_set)

    def stop(self):
        self.stopping.set()
        self.thread.join(5.0)


class RobotWithCamera:
    """A robot server in a thread whose clock is ahead, and that tells clients where a camera is."""

    def __init__(self, camera: RemoteCameraConfig, ahead_s=0.0, commands="tcp://127.0.0.1:*", states=None) -> None:
        clock = WallClock(0.05, now_ns=lambda: time.monotonic_ns() + round(ahead_s * 1e9))
        robot = SupervisedRobot(FakeArm(clock), SafetyLimits(), clock)
        cfg = ServerConfig(commands=commands, states=states or commands)
        at = CameraAddressConfig(endpoint=camera.endpoint, height=camera.height, width=camera.width)
        self.server = RobotServer({"arm": robot}, clock, cfg, elsewhere={"front": at})
        self.endpoints, self._stopping = self.server.endpoints, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self.server:
            self.server.run(self._stopping.is_set)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5.0)
