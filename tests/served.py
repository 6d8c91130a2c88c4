"""A robot server with fake arms that move in real time, in a thread."""

import threading
import time

import numpy as np
from fakes import FakeArm

from robolearn.core.clock import WallClock
from robolearn.hardware.bridge.client import BridgeClient, ClientConfig
from robolearn.hardware.bridge.server import RobotServer, ServerConfig
from robolearn.safety import SafetyLimits, SupervisedRobot

LIMITS = SafetyLimits(workspace_low=(-1.0, -1.0, -1.0), workspace_high=(1.0, 1.0, 1.0))
PERIOD_S = 0.05


class Surroundings:
    """Moves fake arms in real time, and counts how often they were set up."""

    def __init__(self, arms: list[FakeArm]) -> None:
        self.arms, self.seeds, self.solved = arms, [], False
        self._then = time.monotonic()

    def begin(self, seed, desks):
        self.seeds.append(seed)
        for desk in desks.values():
            desk.reset(np.array([0.4, 0.1, 0.4]))
        self._desks = desks

    def ready(self):
        return not any(desk.busy for desk in self._desks.values())

    def advance(self):
        now = time.monotonic()
        if now - self._then >= PERIOD_S:
            for arm in self.arms:
                arm.advance(now - self._then)
            self._then = now

    def success(self):
        return self.solved


class ServerThread:
    """A robot server that runs until it is stopped."""

    def __init__(
        self, commands="tcp://127.0.0.1:*", states="tcp://127.0.0.1:*", scene=True, arms=("arm",), **more
    ) -> None:
        self.ready, self.stopping = threading.Event(), threading.Event()
        self.args = ServerConfig(commands=commands, states=states), scene, arms, more
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.ready.wait(5.0)

    def _run(self) -> None:
        cfg, scene, names, more = self.args
        clock = WallClock(PERIOD_S)
        arms = [FakeArm(clock, name=name, gain=0.5) for name in names]
        self.arm, self.scene = arms[0], Surroundings(arms)
        robots = {arm.spec.name: SupervisedRobot(arm, LIMITS, clock) for arm in arms}
        with RobotServer(robots, clock, cfg, self.scene if scene else None, **more) as self.server:
            self.endpoints = self.server.endpoints
            self.ready.set()
            self.server.run(self.stopping.is_set)

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(5.0)

    def client(self, **fields) -> BridgeClient:
        commands, states = self.endpoints
        return BridgeClient(ClientConfig(commands=commands, states=states, **fields))
