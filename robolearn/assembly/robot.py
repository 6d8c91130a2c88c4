"""What runs on a robot PC: the server, its keys, the doctor; needs neither torch nor, for a real arm, MuJoCo."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from robolearn.core.errors import ConfigError
from robolearn.hardware import doctor
from robolearn.hardware.bridge.server import RobotServer
from robolearn.hardware.config import KeysConfig, RobotServerConfig, TwinConfig
from robolearn.hardware.doctor import DoctorConfig, Finding
from robolearn.wire.keys import make_keys


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
        case _:
            raise ConfigError("robot", expected="twin", got=type(cfg.robot).__name__)


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
