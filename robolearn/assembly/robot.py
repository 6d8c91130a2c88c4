"""What runs on a robot PC: the server, its keys, the doctor; needs neither torch nor, for a real arm, MuJoCo."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from robolearn.core import arms
from robolearn.core.clock import WallClock
from robolearn.core.errors import ConfigError
from robolearn.core.protocols import Clock, RobotDriver
from robolearn.hardware import doctor
from robolearn.hardware.arms.franka import FrankaArm, FrankaConfig
from robolearn.hardware.arms.lerobot import LeRobotArm, LeRobotConfig
from robolearn.hardware.arms.mock import MockArm, MockConfig
from robolearn.hardware.arms.ur import UrArm, UrConfig
from robolearn.hardware.bridge.server import RobotServer
from robolearn.hardware.cameras.lerobot import LeRobotCamera, LeRobotCameraConfig
from robolearn.hardware.cameras.opencv import OpenCVCamera, OpenCVConfig
from robolearn.hardware.cameras.realsense import RealSenseCamera, RealSenseConfig
from robolearn.hardware.cameras.server import CameraServer
from robolearn.hardware.cameras.source import PictureSource
from robolearn.hardware.cameras.synthetic import SyntheticCamera, SyntheticConfig
from robolearn.hardware.config import CameraProcessConfig, KeysConfig, RobotServerConfig, TwinConfig
from robolearn.hardware.doctor import DoctorConfig, Finding
from robolearn.safety import SupervisedRobot
from robolearn.wire.keys import make_keys

ARM = "arm"
"""Name of the one arm of a server of a real one."""


def make_robot_server(cfg: RobotServerConfig) -> RobotServer:
    """Build the server of the robot that `cfg` describes.

    Raises:
        ConfigError: If nothing is known for the class of `cfg.robot`, or an address cannot be bound to.
    """
    match cfg.robot:
        case TwinConfig():
            from robolearn.envs.remote import make_twin  # MuJoCo loads only where there is a twin

            twin = make_twin(cfg.env, cfg.robot.camera_hz)
            return RobotServer(twin.arms, twin.clock, cfg.server, twin.scene, twin.cameras)
        case FrankaConfig() | UrConfig() | LeRobotConfig() | MockConfig():
            clock = WallClock(1.0 / cfg.rate_hz)
            limits = cfg.robot.bound(cfg.safety) if isinstance(cfg.robot, UrConfig) else cfg.safety
            arm = SupervisedRobot(make_arm(cfg.robot, clock), limits, clock)
            return RobotServer({ARM: arm}, clock, cfg.server, elsewhere=cfg.cameras)
        case _:
            raise ConfigError("robot", expected="twin, franka, ur, lerobot or mock", got=type(cfg.robot).__name__)


def make_arm(cfg: FrankaConfig | UrConfig | LeRobotConfig | MockConfig, clock: Clock) -> RobotDriver:
    """Return the driver of a real arm; it reaches the arm, and loads its vendor's library, when it is entered."""
    match cfg:
        case FrankaConfig():
            return FrankaArm(cfg, clock, arms.PANDA)
        case UrConfig():
            return UrArm(cfg, clock, arms.UR5E)
        case LeRobotConfig():
            return LeRobotArm(cfg, clock, arms.SO101)
        case MockConfig():
            return MockArm(cfg, clock)


def make_camera_server(cfg: CameraProcessConfig) -> CameraServer:
    """Build the server of the camera that `cfg` describes; it opens the device when it runs.

    Raises:
        ConfigError: If nothing is known for the class of `cfg.camera`, or the address cannot be bound to.
    """
    return CameraServer(_make_source(cfg.camera), cfg.server)


def write_keys(cfg: KeysConfig) -> tuple[Path, Path]:
    """Write a pair of keys; return the files of the public and of the secret one.

    Raises:
        ConfigError: If a file of this name exists, or the folder cannot be written to.
    """
    return make_keys(Path(cfg.folder), cfg.name)


def diagnose(cfg: DoctorConfig) -> Iterator[Finding]:
    """Yield what is found out about this machine, its devices and, if wanted, its robot server."""
    yield from doctor.machine()
    if importlib.util.find_spec("mujoco") is not None:
        from robolearn.envs.sim import gl

        yield doctor.outcome("OpenGL", gl.backend)
    yield from doctor.devices()
    if cfg.server:
        yield from doctor.server(cfg.client)


def _make_source(cfg: object) -> PictureSource:
    match cfg:
        case OpenCVConfig():
            return OpenCVCamera(cfg)
        case RealSenseConfig():
            return RealSenseCamera(cfg)
        case LeRobotCameraConfig():
            return LeRobotCamera(cfg)
        case SyntheticConfig():
            return SyntheticCamera(cfg)
        case _:
            raise ConfigError("camera", expected="opencv, realsense, lerobot or synthetic", got=type(cfg).__name__)
