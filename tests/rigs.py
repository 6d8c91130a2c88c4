"""Every arm and camera that there is, with a clock that moves it: what the contract suites run over."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import fake_franky
import fake_ur
from fakes import FakeArm, FakeCamera, ManualClock

from robolearn.core import arms
from robolearn.core.clock import WallClock
from robolearn.core.protocols import CameraDriver, Clock, RobotDriver
from robolearn.envs.assets.panda import PANDA
from robolearn.envs.assets.so101 import SO101
from robolearn.envs.sim.arm import SimArm
from robolearn.envs.sim.camera import SimCamera
from robolearn.envs.sim.model import ArmModel
from robolearn.envs.sim.world import World
from robolearn.hardware.arms.franka import FrankaArm, FrankaConfig
from robolearn.hardware.arms.lerobot import LeRobotArm, LeRobotConfig
from robolearn.hardware.arms.mock import MockArm, MockConfig
from robolearn.hardware.arms.ur import UrArm, UrConfig
from robolearn.safety import SafetyLimits, SupervisedRobot


@dataclass
class Rig:
    """An arm, the clock whose `wait` moves it, and its owner (a world), which must outlive it."""

    driver: RobotDriver
    clock: Clock
    world: World | None = None

    @property
    def reset_within(self) -> float:
        """Return by how much each joint may miss after a reset, rad."""
        return self.driver.spec.reset_tolerance


def fake_rig(**arm: object) -> Rig:
    clock = ManualClock(0.1)
    fake = FakeArm(clock, **{"gain": 0.7, **arm})
    clock.parts.append(fake.advance)
    return Rig(fake, clock)


def sim_rig(period_s: float = 0.1, model: ArmModel = PANDA) -> Rig:
    world = World({"arm": model}, lambda scene: scene.tabletop(), period_s=period_s)
    return Rig(SimArm(world, "arm"), world.clock, world)


def so101_rig() -> Rig:
    return sim_rig(model=SO101)


def ur_rig() -> Rig:
    sys.modules.update(fake_ur.modules())
    host = f"192.0.2.{len(fake_ur.CONTROLLERS)}"
    fake_ur.CONTROLLERS[host] = fake_ur.Controller()
    clock = WallClock(0.1)
    return Rig(UrArm(UrConfig(host=host, rate_hz=125.0, watchdog_hz=2.0), clock, arms.UR5E), clock)


def franka_rig() -> Rig:
    sys.modules["franky"] = fake_franky.module()
    host = f"192.0.2.{len(fake_franky.ARMS)}"
    fake_franky.ARMS[host] = fake_franky.Arm()
    clock = WallClock(0.1)
    return Rig(FrankaArm(FrankaConfig(host=host), clock, arms.PANDA), clock)


def real_franka_rig() -> Rig:
    clock = WallClock(0.1)
    cfg = FrankaConfig(host=os.environ[FRANKA], realtime=False)
    return Rig(FrankaArm(cfg, clock, arms.PANDA), clock)


def mock_rig() -> Rig:
    clock = WallClock(0.1)
    return Rig(MockArm(MockConfig(arm="panda"), clock), clock)


def lerobot_rig() -> Rig:
    clock = WallClock(0.1)
    cfg = LeRobotConfig(robot="fake_lerobot:Robot", config="fake_lerobot:RobotConfig")
    return Rig(LeRobotArm(cfg, clock, arms.SO101), clock)


def supervised(rig: Rig, limits: SafetyLimits | None = None) -> Rig:
    driver = SupervisedRobot(rig.driver, limits or SafetyLimits(), rig.clock)
    return Rig(driver, rig.clock, rig.world)


FRANKA = "ROBOLEARN_FRANKA"
"""Variable with the address of an arm, or of franky-sim, which is then tested too."""
ARMS: dict[str, Callable[[], Rig]] = {
    "fake": fake_rig,
    "sim": sim_rig,
    "supervised-fake": lambda: supervised(fake_rig()),
    "supervised-sim": lambda: supervised(sim_rig()),
    "so101": so101_rig,
    "supervised-so101": lambda: supervised(so101_rig()),
    "ur": ur_rig,
    "supervised-ur": lambda: supervised(ur_rig()),
    "mock": mock_rig,
    "franka": franka_rig,
    "lerobot": lerobot_rig,
}
if FRANKA in os.environ:
    ARMS = {"real-franka": real_franka_rig}
REPEATABLE = [
    name for name in ("fake", "sim", "supervised-fake", "supervised-sim", "so101", "supervised-so101") if name in ARMS
]
"""Whose time is made, so that it can be put back."""


@dataclass
class CameraRig:
    """A camera and the clock on which its frames are stamped."""

    driver: CameraDriver
    clock: Clock


def fake_camera_rig() -> CameraRig:
    clock = ManualClock(0.1)
    return CameraRig(FakeCamera(clock, FakeArm(clock), size=16), clock)


def sim_camera_rig() -> CameraRig:
    rig = sim_rig()
    assert rig.world is not None
    return CameraRig(SimCamera(rig.world, "front", 24, 32), rig.clock)


CAMERAS: dict[str, Callable[[], CameraRig]] = {"fake": fake_camera_rig, "sim": sim_camera_rig}
